using System.Text;
using Edge.Runtime.Engines;

namespace Edge.Runtime.Streams;

/// <summary>What outlives a tick: the stream's state, saved and resumed, and carried over to another model.</summary>
internal sealed partial class SensorStream
{
    /// <summary>Everything the next tick depends on, and where the source stands.</summary>
    internal byte[] Save()
    {
        _snapshot.SetLength(0);
        using (var writer = new BinaryWriter(_snapshot, Encoding.UTF8, leaveOpen: true))
        {
            Write(writer);
        }

        return _snapshot.ToArray();
    }

    /// <summary>Goes on after tick <paramref name="seq"/>, with what the stream was then where that fits its model and configuration.</summary>
    /// <returns>Whether it did; if not, the stream begins anew, but with no number used twice.</returns>
    /// <param name="seq">The last tick's number.</param>
    /// <param name="snapshot">What <see cref="Save"/> gave then.</param>
    /// <param name="writtenBy">The engine it was saved with, if that is another one of the same weights: its state is converted.</param>
    internal bool Resume(long seq, byte[] snapshot, IInferenceEngine? writtenBy = null)
    {
        _seq = seq;
        _firstSeq = seq + 1;

        // The same model and configuration write snapshots of the same length.
        byte[] fresh = Save();
        const int Sha = 1;
        int length = fresh.Length + (writtenBy is null ? 0 : writtenBy.SaveState().Length - _engine.SaveState().Length);
        Convert.FromHexString((writtenBy ?? _engine).ModelSha256, fresh.AsSpan(Sha, 32), out _, out _);
        if (snapshot.Length != length || !snapshot.AsSpan(0, Sha + 32).SequenceEqual(fresh.AsSpan(0, Sha + 32)))
        {
            return false;
        }

        using var reader = new BinaryReader(new MemoryStream(snapshot));
        Read(reader, writtenBy);
        _sensor.Resume(_rows, _lastTime);
        return true;
    }

    /// <summary>Has a new model step along from the next tick on; <paramref name="decided"/> is called with how it did.</summary>
    internal void BeginShadow(IInferenceEngine engine, long ticks, Action<ShadowVerdict> decided)
    {
        _shadow?.Dispose();
        _shadow = new Shadow(engine, _engine.Manifest, _config.Forecast, _period, ticks);
        _decided = decided;
    }

    /// <summary>Ends the trial of a new model.</summary>
    /// <returns>It, now the caller's; null if there is none.</returns>
    internal Shadow? EndShadow()
    {
        Shadow? shadow = _shadow;
        (_shadow, _decided) = (null, null);
        return shadow;
    }

    /// <summary>This stream with another model of the same columns and outputs, which takes its place: source, numbers and what the sensors were go on.</summary>
    /// <param name="engine">The model.</param>
    /// <param name="forecaster">Its forecasts so far; null to begin anew.</param>
    internal SensorStream WithEngine(IInferenceEngine engine, Forecaster? forecaster)
    {
        var next = new SensorStream(_device, _config, _sensor, engine, _expiry, _commit, _clock, _log, forecaster)
        {
            Ticked = Ticked,
            Alarm = Alarm,
            Metrics = Metrics,
            _seq = _seq,
            _firstSeq = _firstSeq,
            _rows = _rows,
            _lastTime = _lastTime,
            _forecasts = _forecasts,
            _missed = _missed,
            _clockIsUnset = _clockIsUnset,
        };
        using var carried = new MemoryStream();
        using var writer = new BinaryWriter(carried);
        _hold.Save(writer);
        _quality.Save(writer);
        if (engine.Manifest.Std.SequenceEqual(_engine.Manifest.Std))
        {
            // What is usual is in the deviations of the manifest.
            _detector.Save(writer);
            _anomalies.Save(writer);
        }

        carried.Position = 0;
        using var reader = new BinaryReader(carried);
        next._hold.Load(reader);
        next._quality.Load(reader);
        if (carried.Position < carried.Length)
        {
            next._detector.Load(reader);
            next._anomalies.Load(reader);
        }

        _messages.Dispose();
        _shadow?.Dispose();
        _engine.Dispose();
        return next;
    }

    private void Write(BinaryWriter to)
    {
        to.Write(SnapshotVersion);
        to.Write(Convert.FromHexString(_engine.ModelSha256));
        to.Write(_rows);
        to.Write(_lastTime.Ticks);
        to.Write(_forecasts);
        to.Write(_missed);
        _hold.Save(to);
        _quality.Save(to);
        _forecaster.Save(to);
        _detector.Save(to);
        _anomalies.Save(to);
    }

    private void Read(BinaryReader from, IInferenceEngine? writtenBy)
    {
        from.ReadByte();
        from.ReadBytes(32);
        _rows = from.ReadInt64();
        _lastTime = new DateTime(from.ReadInt64(), DateTimeKind.Utc);
        _forecasts = from.ReadInt64();
        _missed = from.ReadInt64();
        _hold.Load(from);
        _quality.Load(from);
        _forecaster.Load(from, writtenBy);
        _detector.Load(from);
        _anomalies.Load(from);
    }
}
