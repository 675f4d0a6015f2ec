using System.Buffers.Binary;
using Edge.Streams.Detection;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;

namespace Edge.Streams;

/// <summary>State of the stream: save, resume, and transfer to another model.</summary>
public sealed partial class SensorStream
{
    private const byte SnapshotVersion = 21;

    // The same, and behind it the canary that steps beside the stream. So are the even ones before, from the first on.
    private const byte VersionWithCanary = 22;
    private const byte FirstVersionWithCanary = 12;

    private const byte FirstVersionWithCorrections = 15;

    private const int ShaBegin = 1;
    private const int ShaBytes = 32;
    private const int PartsAt = ShaBegin + ShaBytes;
    private const int HeaderBytes = PartsAt + 1;
    private const int CanaryHeaderBytes = sizeof(long) + sizeof(int);

    private readonly MemoryStream _snapshot = new();
    private double _savedFalseAlarmsAWeek;

    // The canary of the snapshot that the stream has resumed from, until one begins; null if there was none.
    private byte[]? _savedCanary;

    // Ticks without numbers that were missed since then.
    private long _missedByCanary;

    /// <summary>Everything the next tick depends on, how many rows were taken in, and how far a canary is.</summary>
    public byte[] Save()
    {
        byte[]? canary = _canary?.Save(_seq) ?? _savedCanary;
        return SaveAs(canary is null ? SnapshotVersion : VersionWithCanary, canary);
    }

    /// <summary>
    /// The same as a version of the snapshot, <see cref="AnomalyDetector.VersionMin"/> or later, and behind it the canary's.
    /// </summary>
    internal byte[] SaveAs(byte version, byte[]? canary = null)
    {
        _snapshot.SetLength(0);
        var to = StreamSnapshot.Write(_snapshot);
        to.Field(version);
        to.Fields<byte>(Convert.FromHexString(_engine.ModelSha256));
        to.Field((byte)_detector.Parts);
        Archive(to, _detector, version);
        ArchiveCommands(to);
        _detector.ArchiveEnds(to);
        _detector.ArchiveLater(to, version);
        if (HasCorrections(version))
        {
            _forecaster.ArchiveCorrections(to);
        }

        if (canary is not null)
        {
            to.Field(_canary is null ? _missedByCanary : 0);
            to.Bytes(() => canary);
        }

        return _snapshot.ToArray();
    }

    /// <summary>
    /// Continues after tick <paramref name="seq"/>, with the saved state if it fits this stream's model and configuration. Its numbers
    /// continue in any case.
    /// </summary>
    /// <param name="seq">The last tick's number.</param>
    /// <param name="saved">Result of <see cref="Save"/>; empty for none.</param>
    /// <param name="writtenBy">The engine it was saved with, if that is another one of the same weights: its state is converted.</param>
    /// <returns>Whether the state was taken over.</returns>
    public bool Resume(long seq, ReadOnlySpan<byte> saved, IInferenceEngine? writtenBy = null)
    {
        _seq = seq;
        _firstSeq = seq + 1;

        byte[] own = Save();
        AnomalyDetector writer = DetectorOf(writtenBy);
        if (saved.Length > HeaderBytes && Fits(saved, writtenBy, writer))
        {
            Read(saved, writtenBy, writer);
            return true;
        }

        Read(own, writtenBy: null, _detector);
        return false;
    }

    // The same model and configuration write snapshots of the same length for the same parts, which the detectors have from here on.
    private bool Fits(ReadOnlySpan<byte> saved, IInferenceEngine? writtenBy, AnomalyDetector writer)
    {
        writer.SetParts((DetectorParts)saved[PartsAt]);
        byte[] expected = Save();
        Convert.FromHexString((writtenBy ?? _engine).ModelSha256, expected.AsSpan(ShaBegin, ShaBytes), out _, out _);
        byte version = saved[0];
        if (version is < AnomalyDetector.VersionMin or > VersionWithCanary
            || !saved[ShaBegin..PartsAt].SequenceEqual(expected.AsSpan(ShaBegin, ShaBytes)))
        {
            return false;
        }

        long length = expected.Length
            + (writtenBy is null ? 0 : writtenBy.SaveState().Length - _engine.SaveState().Length)
            + LengthOf(writer, version) - LengthOf(_detector)
            - (HasCorrections(version) ? 0 : LengthOf(_forecaster.ArchiveCorrections));
        return !HasCanary(version) ? saved.Length == length
            : saved.Length >= length + CanaryHeaderBytes
                && BinaryPrimitives.ReadInt32LittleEndian(saved[((int)length + sizeof(long))..])
                    == saved.Length - length - CanaryHeaderBytes;
    }

    private static bool HasCanary(byte version) =>
        version >= FirstVersionWithCanary && version % 2 == 0;

    private static bool HasCorrections(byte version) => version >= FirstVersionWithCorrections;

    private void Read(ReadOnlySpan<byte> saved, IInferenceEngine? writtenBy, AnomalyDetector writer)
    {
        writer.SetParts((DetectorParts)saved[PartsAt]);
        var from = StreamSnapshot.Read(new MemoryStream(saved[HeaderBytes..].ToArray()));
        Archive(from, writer, saved[0], writtenBy);
        ArchiveCommands(from);
        writer.ArchiveEnds(from);
        writer.ArchiveLater(from, saved[0]);
        if (HasCorrections(saved[0]))
        {
            _forecaster.ArchiveCorrections(from);
        }
        else
        {
            _forecaster.ClearCorrections();
        }

        _missedByCanary = HasCanary(saved[0]) ? from.Field(0L) : 0;
        _savedCanary = HasCanary(saved[0]) ? from.Bytes(() => []) : null;
    }

    /// <summary>
    /// Steps the rows that came after the snapshot again, directly after <see cref="Resume"/>: what they produce and log is discarded. The
    /// state is then what it was after the last of them, bit for bit.
    /// </summary>
    /// <param name="rows">The rows as their sensor gave them, without a gap; one object may be filled again for each.</param>
    /// <param name="lastSeq">The last tick's number: that of the last row, or a later one.</param>
    public void Replay(IEnumerable<Reading> rows, long lastSeq)
    {
        _log.IsSilent = true;
        _detector.SetSensitivity(_savedFalseAlarmsAWeek > 0 ? _savedFalseAlarmsAWeek : _falseAlarmsAWeek, atOnce: false);
        try
        {
            foreach (Reading row in rows)
            {
                Step(row);
            }
        }
        finally
        {
            _log.IsSilent = false;
            EndSensitivity();
        }

        _seq = lastSeq;
        _firstSeq = lastSeq + 1;
    }

    /// <summary>Judges by the configured sensitivity again, as after a restart.</summary>
    internal void EndSensitivity()
    {
        _falseAlarmsAWeek = _options.Anomaly.FalseAlarmsAWeek;
        _detector.SetSensitivity(_falseAlarmsAWeek, atOnce: false);
    }

    /// <summary>
    /// Steps a new model beside the one in use from the next tick on; <see cref="CanaryVerdict"/> has the result. If the stream resumed
    /// from a snapshot that has a canary of the same model, its comparison continues.
    /// </summary>
    /// <param name="engine">The new model, of the same columns and outputs; the stream owns it.</param>
    /// <param name="ticks">Ticks to compare, 1 or more.</param>
    public void BeginCanary(IInferenceEngine engine, long ticks)
    {
        _canary?.Dispose();
        _canary = Begin();
        if (_savedCanary is { } saved && !_canary.TryResume(saved, _seq, _missedByCanary))
        {
            _canary = Begin();
        }

        _savedCanary = null;

        CanaryModel Begin() => new(engine, _engine.Manifest, _options.Forecast, _period, ticks);
    }

    /// <summary>
    /// SHA-256 of the model whose canary phase the snapshot has that the stream resumed from, as 64 hexadecimal digits, until a canary
    /// begins or <see cref="ForgetCanary"/>; null if there was none.
    /// </summary>
    public string? InterruptedCanary => _savedCanary is { } saved ? Convert.ToHexStringLower(saved.AsSpan(0, ShaBytes)) : null;

    /// <summary>Drops <see cref="InterruptedCanary"/>, because its model is not there any more.</summary>
    public void ForgetCanary() => _savedCanary = null;

    /// <summary>Ends the comparison.</summary>
    /// <returns>The new model, now the caller's; null if there is none.</returns>
    public CanaryModel? EndCanary()
    {
        CanaryModel? canary = _canary;
        _canary = null;
        return canary;
    }

    /// <summary>
    /// Creates a stream with another model of the same columns and outputs, which replaces this one: numbers and held values continue.
    /// Do not use this object afterwards.
    /// </summary>
    /// <param name="engine">The model.</param>
    /// <param name="canary">
    /// The canary that it comes from, whose forecasts so far are taken over; null to start from the model's initial state.
    /// </param>
    public SensorStream WithEngine(IInferenceEngine engine, CanaryModel? canary = null)
    {
        var next = new SensorStream(engine, _options, _log, canary?.Forecaster)
        {
            _seq = _seq,
            _firstSeq = _firstSeq,
            _rows = _rows,
            _lastTime = _lastTime,
            _forecasts = _forecasts,
            _missed = _missed,
            _clockIsUnset = _clockIsUnset,
        };

        // The detector's state is in standard deviations of the manifest, and of the same shape only for the same profile.
        bool keepsDetector = engine.Manifest.Std.SequenceEqual(_engine.Manifest.Std) && HasProfileOf(engine);
        if (keepsDetector)
        {
            next._detector.SetParts(_detector.Parts);
        }
        else
        {
            next.EndAnomalyOf(this);
            next._anomalies.Opened = _anomalies.Opened;
        }

        using var carried = new MemoryStream();
        ArchiveSensors(StreamSnapshot.Write(carried), keepsDetector);
        carried.Position = 0;
        next.ArchiveSensors(StreamSnapshot.Read(carried), keepsDetector);
        next.SetSensitivity(_falseAlarmsAWeek);
        Dispose();
        return next;
    }

    /// <summary>Says at the next tick that the open anomaly of the stream that this one replaces has ended.</summary>
    /// <param name="before">The stream before, whose name and columns are the same.</param>
    public void EndAnomalyOf(SensorStream before) => _anomalies.TakeOver(before._anomalies);

    private void ArchiveSensors(StreamSnapshot snapshot, bool withDetector)
    {
        _imputer.Archive(snapshot);
        _quality.Archive(snapshot);
        _limits.Archive(snapshot);
        if (withDetector)
        {
            _detector.Archive(snapshot);
            _detector.ArchiveEnds(snapshot);
            _detector.ArchiveLater(snapshot);
            _anomalies.Archive(snapshot);
        }
    }

    private void Archive(
        StreamSnapshot snapshot, AnomalyDetector detector, byte version, IInferenceEngine? writtenBy = null)
    {
        _rows = snapshot.Field(_rows);
        _lastTime = snapshot.Field(_lastTime);
        _forecasts = snapshot.Field(_forecasts);
        _missed = snapshot.Field(_missed);
        _imputer.Archive(snapshot);
        _quality.Archive(snapshot);
        _forecaster.Archive(snapshot, writtenBy);
        detector.Archive(snapshot, version);
        _anomalies.Archive(snapshot);
        _limits.Archive(snapshot);
    }

    // The sensitivity lasts until the stream is resumed, but rows before that were judged by it.
    private void ArchiveCommands(StreamSnapshot snapshot)
    {
        _detector.ArchiveRequests(snapshot);
        double rate = snapshot.Field(_falseAlarmsAWeek);
        _savedFalseAlarmsAWeek = double.IsFinite(rate) && snapshot.IsReading ? rate : 0;
    }

    // The detector that the snapshot is of. Another profile of what is normal has another state: it is read, and the stream's own begins
    // with its warm-up.
    private AnomalyDetector DetectorOf(IInferenceEngine? writtenBy) =>
        writtenBy is null || HasProfileOf(writtenBy) ? _detector : new AnomalyDetector(writtenBy.Manifest, _options.Anomaly, _period);

    private bool HasProfileOf(IInferenceEngine engine) =>
        engine.Manifest.NormalProfile.Span.SequenceEqual(_engine.Manifest.NormalProfile.Span);

    private static long LengthOf(AnomalyDetector detector, byte version = byte.MaxValue) => LengthOf(snapshot =>
    {
        detector.Archive(snapshot, version);
        detector.ArchiveEnds(snapshot);
        detector.ArchiveLater(snapshot, version);
    });

    private static long LengthOf(Action<StreamSnapshot> archive)
    {
        using var bytes = new MemoryStream();
        archive(StreamSnapshot.Write(bytes));
        return bytes.Length;
    }
}
