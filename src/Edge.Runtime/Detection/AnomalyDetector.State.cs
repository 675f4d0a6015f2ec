namespace Edge.Runtime.Detection;

/// <summary>The detector's state, as it lies in a stream's snapshot.</summary>
internal sealed partial class AnomalyDetector
{
    internal void Save(BinaryWriter to)
    {
        _residual.Save(to);
        _level.Save(to);
        _sensors.Save(to);
        _fastThreshold.Save(to);
        _slowThreshold.Save(to);
        _relation.Save(to);
        _relationThreshold.Save(to);
        to.Write(_observed);
        _levelThreshold.Save(to);
        to.Write(Score);
        to.Write(PeakScore);
        to.Write(IsOpen);
        to.Write((byte)Cause);
        to.Write(_above);
        to.Write(_below);
        to.Write(_openTicks);
        to.Write(_coolDown);
        to.Write(_ticks);
    }

    internal void Load(BinaryReader from)
    {
        _residual.Load(from);
        _level.Load(from);
        _sensors.Load(from);
        _fastThreshold.Load(from);
        _slowThreshold.Load(from);
        _relation.Load(from);
        _relationThreshold.Load(from);
        _observed = from.ReadInt64();
        _levelThreshold.Load(from);
        Score = from.ReadDouble();
        PeakScore = from.ReadDouble();
        IsOpen = from.ReadBoolean();
        Cause = (AnomalyCause)from.ReadByte();
        _above = from.ReadInt32();
        _below = from.ReadInt32();
        _openTicks = from.ReadInt64();
        _coolDown = from.ReadInt64();
        _ticks = from.ReadInt64();
    }
}
