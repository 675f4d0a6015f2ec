using Edge.Runtime.Configuration;
using Edge.Runtime.Detection;
using Edge.Runtime.Engines;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Publishing;
using Edge.Runtime.Sensors;
using Edge.Runtime.Telemetry;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Streams;

/// <summary>
/// Takes a tick off a stream's hands: its messages, and, where state is kept, what the stream is after it (<see cref="SensorStream.Save"/>), as one. <c>canWait</c> says
/// whether the stream may be held up while there is no room.
/// </summary>
internal delegate ValueTask CommitAction(SensorStream stream, IReadOnlyList<MqttMessage> messages, bool canWait, CancellationToken cancel);

/// <summary>One stream from sensor to messages: a reading comes in at the top of <see cref="TickAsync"/> and is followed to its end.</summary>
internal sealed partial class SensorStream : IDisposable
{
    private const byte SnapshotVersion = 4;

    // Rows of an unpaced source that are committed together, and the time after which they are at the latest.
    private const int BatchRows = 64;
    private static readonly TimeSpan BatchTime = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan SilenceMin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan HealthEvery = TimeSpan.FromMinutes(1);

    private readonly string _device;
    private readonly StreamConfig _config;
    private readonly TimeSpan _expiry;
    private readonly ISensor _sensor;
    private readonly IInferenceEngine _engine;
    private readonly CommitAction _commit;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Reading _reading;
    private readonly ValueHold _hold;
    private readonly Forecaster _forecaster;
    private readonly AnomalyDetector _detector;
    private readonly AnomalyReporter _anomalies;
    private readonly StreamMessages _messages;
    private readonly QualityWatch _quality;
    private readonly TimeSpan _period;
    private readonly bool _hasPace;
    private readonly List<MqttMessage> _tick = [];
    private readonly MemoryStream _snapshot = new();
    private long _rows;
    private long _seq;
    private long _firstSeq = 1;
    private DateTime _lastTime;
    private long _gapTicks;
    private bool _clockIsUnset;
    private Shadow? _shadow;
    private Action<ShadowVerdict>? _decided;
    private long _tickedAt;
    private long _committedAt;
    private int _uncommitted;
    private long _arrivedAt;
    private volatile bool _isRunning;
    private long _forecasts;
    private long _missed;
    private long _healthAt;

    internal SensorStream(
        string device, StreamConfig config, ISensor sensor, IInferenceEngine engine, TimeSpan expiry, CommitAction commit, TimeProvider clock, ILogger log, Forecaster? forecaster = null)
    {
        Name = config.Name;
        _device = device;
        _config = config;
        _expiry = expiry;
        _period = config.Period ?? TimeSpan.FromSeconds(engine.Manifest.PeriodSeconds);
        _sensor = sensor;
        _hasPace = !sensor.CanWait && config.Source is not ChannelsConfig { Tick: not null };
        _engine = engine;
        _commit = commit;
        _clock = clock;
        _log = log;
        _reading = new Reading(engine.Manifest.Columns.Count);
        _hold = new ValueHold(engine.Manifest, config.HoldTicks);
        _forecaster = forecaster ?? new Forecaster(engine, config.Forecast.Interval, config.Forecast.SeasonTicks(_period));
        _detector = new AnomalyDetector(engine.Manifest, config.Anomaly, _period);
        _anomalies = new AnomalyReporter(config.Name, engine.Manifest, _detector);
        _messages = new StreamMessages(device, config.Name, engine.Manifest, engine.ModelSha256, config.Forecast.Interval, expiry);
        _quality = new QualityWatch(engine.Manifest, log);
    }

    internal string Name { get; }

    /// <summary>Number of the last tick.</summary>
    internal long Seq => _seq;

    internal IInferenceEngine Engine => _engine;

    /// <summary>
    /// Whether it ticks as it should: a live stream every period, and all of them within <see cref="SilenceMin"/>; one that has ended, or whose pace
    /// somebody else sets, is not late.
    /// </summary>
    internal bool IsAlive => !_isRunning || !_hasPace || _clock.GetElapsedTime(Volatile.Read(ref _tickedAt)) < (3 * _period > SilenceMin ? 3 * _period : SilenceMin);

    /// <summary>Called after each tick, for whoever looks on.</summary>
    internal Action<SensorStream>? Ticked { get; set; }

    /// <summary>Where it records how long it takes, or null.</summary>
    internal StreamMetrics? Metrics { get; set; }

    /// <summary>Called with whether an anomaly is open whenever that changes, and at the start.</summary>
    internal Action<bool>? Alarm { get; set; }

    internal Reading LastReading => _reading;

    internal Forecaster Forecaster => _forecaster;

    internal AnomalyDetector Detector => _detector;

    internal AnomalyEvent? LastAnomaly { get; private set; }

    internal StreamHealth Health => new()
    {
        Ticks = _rows,
        Forecasts = _forecasts,
        MissedTicks = _missed,
        Anomalies = _anomalies.Opened,
        Coverage = _forecaster.Coverage,
        Skill = _forecaster.Skill,
        SeasonalSkill = _forecaster.SeasonalSkill,
        BadTicks = _hold.BadTicks.ToArray(),
        SaturatedTicks = _engine.InputSaturations.ToArray(),
        StateSaturations = _engine.StateSaturations,
    };

    /// <summary>Whether its source gives the same rows again, whatever comes of them.</summary>
    internal bool IsRecorded => _sensor.IsRecorded;

    /// <summary>Runs until the source ends or <paramref name="cancel"/> says stop.</summary>
    internal Task RunAsync(CancellationToken cancel) => RunAsync(cancel, cancel);

    /// <summary>Runs until the source ends.</summary>
    /// <param name="read">Stops between two ticks; it may be run again, and nothing is lost.</param>
    /// <param name="stop">Stops at once; what is not committed is lost.</param>
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

    private async Task RunToEndAsync(CancellationToken read, CancellationToken cancel)
    {
        _tick.Add(_messages.AnomalyState(_detector.IsOpen));
        Alarm?.Invoke(_detector.IsOpen);
        await CommitAsync(cancel).ConfigureAwait(false);
        try
        {
            while (await _sensor.ReadAsync(_reading, read).ConfigureAwait(false))
            {
                await TickAsync(cancel).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_uncommitted > 0)
        {
            await CommitAsync(cancel).ConfigureAwait(false);
            throw;
        }

        if (_seq >= _firstSeq)
        {
            _tick.Add(_messages.Health(_seq, _reading, Health));
            await CommitAsync(cancel).ConfigureAwait(false);
        }

        _log.LogInformation("{Stream}: the source ended after {Rows} rows", Name, _rows);
    }

    public void Dispose()
    {
        _messages.Dispose();
        _sensor.Dispose();
        _shadow?.Dispose();
        _engine.Dispose();
    }

    // A reading from top to bottom.
    private async ValueTask TickAsync(CancellationToken cancel)
    {
        _seq++;
        _rows++;
        NoteJitter();
        NoteGap();
        NoteClock();
        _hold.Reject(_reading);
        bool qualityChanged = _quality.Observe(Name, _seq, _reading);
        bool usable = _hold.Fill(_reading);
        if (_config.PublishesReadings)
        {
            _tick.Add(_messages.Reading(_seq, _reading, _gapTicks));
        }

        _forecaster.Observe(_seq, _reading);
        _shadow?.Observe(_seq, _reading, _forecaster.Errors);
        AnomalyEvent? anomaly = _anomalies.Report(_seq, _reading, _detector.Observe(_forecaster.Errors, _reading, usable));
        if (usable)
        {
            Step();
            _shadow?.Step(_seq, _reading);
            _anomalies.Expect(_forecaster);

            // The first row only wakes the state: a forecast from one reading is a guess.
            if (_rows > 1)
            {
                if (_config.PublishesForecasts)
                {
                    _tick.Add(_messages.Forecast(_seq, _reading.Time, _forecaster));
                }

                _forecasts++;
            }
        }
        else
        {
            _missed++;
        }

        if (anomaly is not null)
        {
            AddAnomaly(anomaly);
        }

        if (qualityChanged || _seq == _firstSeq || _clock.GetElapsedTime(_healthAt) >= HealthEvery)
        {
            _healthAt = _clock.GetTimestamp();
            _tick.Add(_messages.Health(_seq, _reading, Health));
        }

        if (++_uncommitted >= BatchRows || !_sensor.IsUnpaced || _clock.GetElapsedTime(_committedAt) >= BatchTime)
        {
            await CommitAsync(cancel).ConfigureAwait(false);
        }

        Volatile.Write(ref _tickedAt, _clock.GetTimestamp());
        Ticked?.Invoke(this);
        if (_shadow?.Verdict is { } verdict && _decided is { } decided)
        {
            _decided = null;
            decided(verdict);
        }
    }

    private void AddAnomaly(AnomalyEvent anomaly)
    {
        LastAnomaly = anomaly;

        // One that lasts for days is not a line a minute.
        _log.Log(anomaly.Change == AnomalyChange.Updated ? LogLevel.Debug : LogLevel.Information, "{Stream}: anomaly {Id} {Change}: {Message}", Name, anomaly.Id, anomaly.Change.ToString().ToLowerInvariant(), anomaly.Message);
        _tick.Add(_messages.Anomaly(_seq, _reading, anomaly));
        if (anomaly.Change != AnomalyChange.Updated)
        {
            _tick.Add(_messages.AnomalyState(anomaly.Change == AnomalyChange.Opened));
            Alarm?.Invoke(anomaly.Change == AnomalyChange.Opened);
        }
    }

    private async ValueTask CommitAsync(CancellationToken cancel)
    {
        await _commit(this, _tick, _sensor.CanWait, cancel).ConfigureAwait(false);
        _sensor.Committed();
        _tick.Clear();
        _uncommitted = 0;
        _committedAt = _clock.GetTimestamp();
    }
}
