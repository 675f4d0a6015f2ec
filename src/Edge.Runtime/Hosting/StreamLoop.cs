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

    // How often rows that are skipped while none is used are reported in health.
    private static readonly TimeSpan SkippedEvery = TimeSpan.FromSeconds(10);

    private readonly ISensor _sensor;
    private readonly CommitAction _commit;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Reading _reading;
    private readonly TickMessages _messages;
    private readonly TickRows _rows;
    private readonly TickRows _noRows;
    private long _committedAt;
    private long _tickedAt;
    private long _arrivedAt;
    private bool _hasTicked;
    private long _skippedAtTick;
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
        _sensor = sensor;
        _commit = commit;
        _clock = clock;
        _log = log;
        _reading = new Reading(stream.Manifest.Columns.Count);
        _rows = new TickRows(stream.Manifest.Columns);
        _noRows = new TickRows(stream.Manifest.Columns);
        Stream = stream;
        _messages = new TickMessages(device, stream, sensor, publish, expiry, clock);
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
    internal EntityOptions? Entities
    {
        init => _messages.EntitiesWanted = value;
    }

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
        Stream = stream;
        _messages.SwitchTo(stream);
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
        _messages.Dispose();
        _sensor.Dispose();
        Stream.Dispose();
    }

    private async Task RunToEndAsync(CancellationToken read, CancellationToken stop)
    {
        _messages.AddStates();
        Alarm?.Invoke(Stream.IsAnomalyOpen);

        // Since the last commit the stream was opened, or a control action has changed it.
        _rows.IsStateChanged = true;
        await CommitAsync(stop).ConfigureAwait(false);
        try
        {
            while (await ReadAsync(read, stop).ConfigureAwait(false))
            {
                StreamTick tick = Step();
                Announce(tick.Limits);
                _messages.Add(tick);
                if (IsCommitDue())
                {
                    await CommitAsync(stop).ConfigureAwait(false);
                }

                Volatile.Write(ref _skippedAtTick, _sensor.SkippedRows);
                Volatile.Write(ref _tickedAt, _clock.GetTimestamp());
                Ticked?.Invoke(tick);
                _messages.NoteRow(_reading);
            }
        }
        catch (OperationCanceledException) when (_rows.Count > 0)
        {
            await CommitAsync(stop).ConfigureAwait(false);
            throw;
        }

        if (_hasTicked)
        {
            _messages.AddHealth(Stream.Seq, _reading);
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

            if (!read.IsCancellationRequested && _messages.HaveRowsBeenSkipped)
            {
                // The row that is awaited is not committed by this.
                await _commit(Stream, _noRows, [_messages.HealthOfWaiting()], Kind.CanWait(), stop).ConfigureAwait(false);
            }
        }
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

    private void Announce(IReadOnlyList<LimitEvent> limits)
    {
        foreach (LimitEvent limit in limits)
        {
            _log.Log(
                limit.Change == LimitChange.Updated ? LogLevel.Debug : LogLevel.Information,
                "{Stream}: limit {Id} {Change}: {Message}",
                Stream.Name,
                limit.Id,
                limit.Change.ToString().ToLowerInvariant(),
                limit.Message);
        }
    }

    private bool IsCommitDue() =>
        _rows.Count >= BatchRows || Kind != SourceKind.Unpaced || _clock.GetElapsedTime(_committedAt) >= BatchTime;

    private async ValueTask CommitAsync(CancellationToken cancel)
    {
        await _commit(Stream, _rows, _messages.All, Kind.CanWait(), cancel).ConfigureAwait(false);
        _sensor.Committed();
        _messages.Clear();
        _rows.Clear();
        _committedAt = _clock.GetTimestamp();
    }
}
