namespace Edge.Streams.Detection;

/// <summary>The detector's state, as it lies in a stream's snapshot.</summary>
internal sealed partial class AnomalyDetector
{
    internal void Archive(StreamSnapshot snapshot)
    {
        _residual.Archive(snapshot);
        _level.Archive(snapshot);
        _sensors.Archive(snapshot);
        _fastThreshold.Archive(snapshot);
        _slowThreshold.Archive(snapshot);
        _correlation.Archive(snapshot);
        _correlationThreshold.Archive(snapshot);
        _observed = snapshot.Field(_observed);
        _levelThreshold.Archive(snapshot);
        Score = snapshot.Field(Score);
        PeakScore = snapshot.Field(PeakScore);
        IsOpen = snapshot.Field(IsOpen);
        Cause = (AnomalyCause)snapshot.Field((byte)Cause);
        _above = snapshot.Field(_above);
        _below = snapshot.Field(_below);
        _openTicks = snapshot.Field(_openTicks);
        _coolDown = snapshot.Field(_coolDown);
        _ticks = snapshot.Field(_ticks);
    }
}
