using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Runtime.Telemetry;
using Edge.Streams;
using Edge.Streams.Detection;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>
/// Commits a tick: its messages and, if state is stored, the state after it (<see cref="SensorStream.Save"/>), as one unit.
/// <c>canWait</c> says whether the stream may wait while there is no space.
/// </summary>
internal delegate ValueTask CommitAction(SensorStream stream, IReadOnlyList<MqttMessage> messages, bool canWait, CancellationToken cancel);

/// <summary>The loop of one stream: read, step, render, commit, acknowledge. Runs on one thread at a time.</summary>
internal sealed class StreamLoop : IDisposable
{
    // Rows of an unpaced source that are committed together, and the longest time between two commits.
    private const int BatchRows = 64;
    private static readonly TimeSpan BatchTime = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan SilenceMin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan HealthEvery = TimeSpan.FromMinutes(1);

    private readonly string _device;
    private readonly PublishOptions _publish;
    private readonly TimeSpan _expiry;
    private readonly ISensor _sensor;
    private readonly CommitAction _commit;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Reading _reading;
    private readonly List<MqttMessage> _messages = [];
    private StreamPayloads _payloads;
    private int _uncommitted;
    private long _committedAt;
    private long _healthAt;
    private long _tickedAt;
    private long _arrivedAt;
    private bool _hasTicked;
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
        Stream = stream;
        _payloads = Payloads(stream);
    }

    /// <summary>The stream.</summary>
    internal SensorStream Stream { get; private set; }

    /// <summary>Kind of the source.</summary>
    internal SourceKind Kind => _sensor.Kind;

    /// <summary>Called after each tick.</summary>
    internal Action<StreamTick>? Ticked { get; set; }

    /// <summary>Called with whether an anomaly is open, at the start and after each change.</summary>
    internal Action<bool>? Alarm { get; init; }

    /// <summary>Metrics of durations, or null.</summary>
    internal StreamMetrics? Metrics { get; set; }

    /// <summary>
    /// Whether it ticks as it should: a live stream within three periods, or <see cref="SilenceMin"/> if that is longer. A stream that
    /// has ended, or whose source waits, is not late.
    /// </summary>
    internal bool IsAlive => !_isRunning || Kind != SourceKind.Live
        || _clock.GetElapsedTime(Volatile.Read(ref _tickedAt)) < (3 * Stream.Period > SilenceMin ? 3 * Stream.Period : SilenceMin);

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
        Alarm?.Invoke(Stream.IsAnomalyOpen);
        await CommitAsync(stop).ConfigureAwait(false);
        try
        {
            while (await _sensor.ReadAsync(_reading, read).ConfigureAwait(false))
            {
                StreamTick tick = Step();
                _payloads.Render(tick, _messages);
                AddHealth(tick);
                if (IsCommitDue())
                {
                    await CommitAsync(stop).ConfigureAwait(false);
                }

                Volatile.Write(ref _tickedAt, _clock.GetTimestamp());
                Ticked?.Invoke(tick);
            }
        }
        catch (OperationCanceledException) when (_uncommitted > 0)
        {
            await CommitAsync(stop).ConfigureAwait(false);
            throw;
        }

        if (_hasTicked)
        {
            _messages.Add(_payloads.Health(Stream.Seq, _reading, Stream.Health));
            await CommitAsync(stop).ConfigureAwait(false);
        }

        _log.LogInformation("{Stream}: the source ended after {Rows} rows", Stream.Name, Stream.Rows);
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

        StreamTick tick = Stream.Step(_reading);
        metrics?.Stepped(_clock.GetElapsedTime(started));
        _hasTicked = true;
        _uncommitted++;
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
            _messages.Add(_payloads.Health(tick.Seq, tick.Reading, Stream.Health));
        }
    }

    private bool IsCommitDue() =>
        _uncommitted >= BatchRows || Kind != SourceKind.Unpaced || _clock.GetElapsedTime(_committedAt) >= BatchTime;

    private async ValueTask CommitAsync(CancellationToken cancel)
    {
        await _commit(Stream, _messages, Kind.CanWait(), cancel).ConfigureAwait(false);
        _sensor.Committed();
        _messages.Clear();
        _uncommitted = 0;
        _committedAt = _clock.GetTimestamp();
    }

    private StreamPayloads Payloads(SensorStream stream) => new(_device, stream, _publish, _expiry);
}
