using System.Collections.Concurrent;
using Edge.Inference;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Runtime.Telemetry;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Limits;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>
/// Commits ticks: their rows and messages, as one unit. <c>canWait</c> says whether the stream may wait while there is no space.
/// </summary>
internal delegate ValueTask CommitAction(
    SensorStream stream, TickRows rows, IReadOnlyList<MqttMessage> messages, bool canWait, CancellationToken cancel);

/// <summary>The loop of one stream: read, step, render, commit, acknowledge. Runs on one thread at a time.</summary>
internal sealed class StreamLoop : IDisposable
{
    // Rows of an unpaced source that are committed together, and the longest time between two commits.
    private const int BatchRows = 64;
    private static readonly TimeSpan BatchTime = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan SilenceMin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan HealthEvery = TimeSpan.FromMinutes(1);

    // How often rows that are skipped while none is used are reported in health.
    private static readonly TimeSpan SkippedEvery = TimeSpan.FromSeconds(10);

    private readonly string _device;
    private readonly PublishOptions _publish;
    private readonly TimeSpan _expiry;
    private readonly ISensor _sensor;
    private readonly CommitAction _commit;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Reading _reading;
    private readonly List<MqttMessage> _messages = [];
    private readonly TickRows _rows;
    private readonly TickRows _noRows;
    private StreamPayloads _payloads;
    private long _committedAt;
    private long _healthAt;
    private long _tickedAt;
    private long _arrivedAt;
    private bool _hasTicked;
    private long _skippedAtTick;
    private long _skippedSaid;

    // What health shows of a queued source while its next row is awaited: the row before, without its values.
    private Reading? _shown;
    private long _entitiesAt;
    private ReadOnlyMemory<byte> _entities;
    private volatile bool _isRunning;

    /// <param name="device">The device's name.</param>
    /// <param name="stream">The stream; the loop owns it.</param>
    /// <param name="sensor">The source of readings; the loop owns it.</param>
    /// <param name="publish">Which messages are published.</param>
    /// <param name="expiry">Age at which readings and forecasts expire.</param>
    /// <param name="commit">Commits the ticks.</param>
    /// <param name="clock">Clock for health messages and batches. The content of a tick does not depend on it.</param>
    /// <param name="log">Anomalies, and the end of the source.</param>
    internal StreamLoop(
        string device, SensorStream stream, ISensor sensor, PublishOptions publish, TimeSpan expiry, CommitAction commit,
        TimeProvider clock, ILogger log)
    {
        _device = device;
        _publish = publish;
        _expiry = expiry;
        _sensor = sensor;
        _commit = commit;
        _clock = clock;
        _log = log;
        _reading = new Reading(stream.Manifest.Columns.Count);
        _rows = new TickRows(stream.Manifest.Columns);
        _noRows = new TickRows(stream.Manifest.Columns);
        Stream = stream;
        _payloads = Payloads(stream);
    }

    /// <summary>The stream.</summary>
    internal SensorStream Stream { get; private set; }

    /// <summary>Kind of the source.</summary>
    internal SourceKind Kind => _sensor.Kind;

    /// <summary>Called after each tick.</summary>
    internal Action<StreamTick>? Ticked { get; set; }

    /// <summary>Events of the stream that come from no tick: they are stored with the next one. Null for none.</summary>
    internal ConcurrentQueue<HistoryEvent>? Noted { get; set; }

    /// <summary>Called with whether an anomaly is open, at the start and after each change.</summary>
    internal Action<bool>? Alarm { get; init; }

    /// <summary>What the entities of a home automation see, or null for no such messages.</summary>
    internal EntityOptions? Entities { get; init; }

    /// <summary>Rows that came and could not be used as a row.</summary>
    internal long SkippedRows => _sensor.SkippedRows;

    /// <summary>Metrics of durations, or null.</summary>
    internal StreamMetrics? Metrics { get; set; }

    /// <summary>
    /// Whether it ticks as it should: a live stream within three periods, or <see cref="SilenceMin"/> if that is longer. A stream that
    /// has ended, or whose source waits, is not late.
    /// </summary>
    internal bool IsTicking => !_isRunning || Kind != SourceKind.Live || !IsSilent;

    /// <summary>The same, and it does not skip all rows that come: that would be no fault of this program, but of who sends them.</summary>
    internal bool IsAlive => IsTicking
        && !(_isRunning && Kind == SourceKind.Queued && IsSilent && _sensor.SkippedRows > Volatile.Read(ref _skippedAtTick));

    private bool IsSilent =>
        _clock.GetElapsedTime(Volatile.Read(ref _tickedAt)) >= (3 * Stream.Period > SilenceMin ? 3 * Stream.Period : SilenceMin);

    /// <summary>Continues with another stream over the same source: one with another model.</summary>
    internal void SwitchTo(SensorStream stream)
    {
        _payloads.Dispose();
        Stream = stream;
        _payloads = Payloads(stream);
    }

    /// <summary>Runs until the source ends.</summary>
    /// <param name="read">Stops between two ticks. Nothing is lost, and the loop can run again.</param>
    /// <param name="stop">Stops at once. Uncommitted ticks are lost.</param>
    internal async Task RunAsync(CancellationToken read, CancellationToken stop)
    {
        Volatile.Write(ref _tickedAt, _clock.GetTimestamp());
        _isRunning = true;
        try
        {
            await RunToEndAsync(read, stop).ConfigureAwait(false);
        }
        finally
        {
            _isRunning = false;
        }
    }

    public void Dispose()
    {
        _payloads.Dispose();
        _sensor.Dispose();
        Stream.Dispose();
    }

    private async Task RunToEndAsync(CancellationToken read, CancellationToken stop)
    {
        _messages.Add(_payloads.AnomalyState(Stream.IsAnomalyOpen));
        if (Stream.Limits.Count > 0)
        {
            _messages.Add(_payloads.LimitStates(Stream.Limits));
        }

        Alarm?.Invoke(Stream.IsAnomalyOpen);

        // Since the last commit the stream was opened, or a control action has changed it.
        _rows.IsStateChanged = true;
        await CommitAsync(stop).ConfigureAwait(false);
        try
        {
            while (await ReadAsync(read, stop).ConfigureAwait(false))
            {
                StreamTick tick = Step();
                _payloads.Render(tick, _messages);
                AddScore(tick);
                AddLimitStates(tick);
                AddEntities(tick);
                AddHealth(tick);
                if (IsCommitDue())
                {
                    await CommitAsync(stop).ConfigureAwait(false);
                }

                Volatile.Write(ref _skippedAtTick, _sensor.SkippedRows);
                Volatile.Write(ref _tickedAt, _clock.GetTimestamp());
                Ticked?.Invoke(tick);
                NoteShown();
            }
        }
        catch (OperationCanceledException) when (_rows.Count > 0)
        {
            await CommitAsync(stop).ConfigureAwait(false);
            throw;
        }

        if (_hasTicked)
        {
            _messages.Add(Health(Stream.Seq, _reading));
            await CommitAsync(stop).ConfigureAwait(false);
        }

        _log.LogInformation("{Stream}: the source ended after {Rows}", Stream.Name, Quantity.Of(Stream.Rows, "row"));
    }

    // The next row. While rows are skipped and none is used, health says so.
    private async ValueTask<bool> ReadAsync(CancellationToken read, CancellationToken stop)
    {
        ValueTask<bool> next = _sensor.ReadAsync(_reading, read);
        if (next.IsCompleted || Kind != SourceKind.Queued)
        {
            return await next.ConfigureAwait(false);
        }

        Task<bool> row = next.AsTask();
        while (true)
        {
            using var waited = CancellationTokenSource.CreateLinkedTokenSource(read);
            var wait = Task.Delay(SkippedEvery, _clock, waited.Token);
            if (await Task.WhenAny(row, wait).ConfigureAwait(false) == row)
            {
                await waited.CancelAsync().ConfigureAwait(false);
                return await row.ConfigureAwait(false);
            }

            if (!read.IsCancellationRequested && _sensor.SkippedRows > _skippedSaid)
            {
                // The row that is awaited is filled meanwhile: health shows the one before. It is not committed by this.
                _shown ??= NothingYet();
                await _commit(Stream, _noRows, [Health(Stream.Seq, _shown)], Kind.CanWait(), stop).ConfigureAwait(false);
            }
        }
    }

    private void NoteShown()
    {
        if (Kind == SourceKind.Queued)
        {
            _shown ??= new Reading(Stream.Manifest.Columns.Count);
            _shown.Time = _reading.Time;
            _reading.Quality.CopyTo(_shown.Quality, 0);
            _reading.Faults.CopyTo(_shown.Faults, 0);
        }
    }

    private Reading NothingYet()
    {
        var reading = new Reading(Stream.Manifest.Columns.Count) { Time = _clock.GetUtcNow().UtcDateTime };
        Array.Fill(reading.Quality, Quality.Missing);
        return reading;
    }

    private MqttMessage Health(long seq, Reading reading)
    {
        _skippedSaid = _sensor.SkippedRows;
        return _payloads.Health(seq, reading, Stream.Health, _skippedSaid, _sensor.LastSkip);
    }

    private void AddScore(StreamTick tick)
    {
        if (_publish.Scores)
        {
            _messages.Add(_payloads.Score(tick.Seq, tick.Reading.Time, Stream));
        }
    }

    private void AddLimitStates(StreamTick tick)
    {
        foreach (LimitEvent limit in tick.Limits)
        {
            _log.Log(
                limit.Change == LimitChange.Updated ? LogLevel.Debug : LogLevel.Information,
                "{Stream}: limit {Id} {Change}: {Message}",
                Stream.Name,
                limit.Id,
                limit.Change.ToString().ToLowerInvariant(),
                limit.Message);
        }

        if (tick.Limits.Count > 0)
        {
            _messages.Add(_payloads.LimitStates(Stream.Limits));
        }
    }

    private void AddEntities(StreamTick tick)
    {
        if (Entities is not { } options || (_entitiesAt != 0 && _clock.GetElapsedTime(_entitiesAt) < options.Every - (Stream.Period / 2)))
        {
            return;
        }

        MqttMessage message = _payloads.Entities(tick);
        bool isSame = options.OnChange && message.Payload.Span.SequenceEqual(_entities.Span);
        if (isSame && _clock.GetElapsedTime(_entitiesAt) < options.Expiry(Stream.Period) / 2)
        {
            return;
        }

        _entitiesAt = _clock.GetTimestamp();
        _entities = message.Payload;
        _messages.Add(message);
    }

    private StreamTick Step()
    {
        StreamMetrics? metrics = Metrics is { IsWanted: true } wanted ? wanted : null;
        long started = _clock.GetTimestamp();
        if (metrics is not null && Kind == SourceKind.Live)
        {
            if (_arrivedAt != 0)
            {
                metrics.Ticked(_clock.GetElapsedTime(_arrivedAt, started) - (Stream.Period * (1 + _reading.SkippedTicks)));
            }

            _arrivedAt = started;
        }

        _rows.Add(_reading);
        StreamTick tick = Stream.Step(_reading);
        _rows.Complete(tick, Stream.AnomalyScore);
        while (Noted is not null && Noted.TryDequeue(out HistoryEvent? noted))
        {
            _rows.Add(noted);
        }

        metrics?.Stepped(_clock.GetElapsedTime(started));
        _hasTicked = true;
        if (tick.Anomaly is { } anomaly)
        {
            Announce(anomaly);
        }

        return tick;
    }

    private void Announce(AnomalyEvent anomaly)
    {
        // An anomaly that lasts for days must not log a line per minute.
        _log.Log(
            anomaly.Change == AnomalyChange.Updated ? LogLevel.Debug : LogLevel.Information,
            "{Stream}: anomaly {Id} {Change}: {Message}",
            Stream.Name,
            anomaly.Id,
            anomaly.Change.ToString().ToLowerInvariant(),
            anomaly.Message);
        if (anomaly.Change != AnomalyChange.Updated)
        {
            Alarm?.Invoke(anomaly.Change == AnomalyChange.Opened);
        }
    }

    private void AddHealth(StreamTick tick)
    {
        if (tick.QualityChanged || tick.IsFirst || _clock.GetElapsedTime(_healthAt) >= HealthEvery)
        {
            _healthAt = _clock.GetTimestamp();
            _messages.Add(Health(tick.Seq, tick.Reading));
        }
    }

    private bool IsCommitDue() =>
        _rows.Count >= BatchRows || Kind != SourceKind.Unpaced || _clock.GetElapsedTime(_committedAt) >= BatchTime;

    private async ValueTask CommitAsync(CancellationToken cancel)
    {
        await _commit(Stream, _rows, _messages, Kind.CanWait(), cancel).ConfigureAwait(false);
        _sensor.Committed();
        _messages.Clear();
        _rows.Clear();
        _committedAt = _clock.GetTimestamp();
    }

    private StreamPayloads Payloads(SensorStream stream) => new(_device, stream, _publish, _expiry);
}
