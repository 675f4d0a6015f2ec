using Edge.Runtime.Configuration;
using Edge.Runtime.Detection;
using Edge.Runtime.Engines;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Publishing;
using Edge.Runtime.Sensors;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Streams;

/// <summary>Takes a message off a stream's hands. <c>canWait</c> says whether the stream may be held up while there is no room.</summary>
internal delegate ValueTask PublishAction(MqttMessage message, bool canWait, CancellationToken cancel);

/// <summary>One stream from sensor to messages: a reading comes in at the top of <see cref="TickAsync"/> and is followed to its end.</summary>
internal sealed class SensorStream : IDisposable
{
    private static readonly TimeSpan HealthEvery = TimeSpan.FromMinutes(1);

    private readonly ISensor _sensor;
    private readonly IInferenceEngine _engine;
    private readonly PublishAction _publish;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Reading _reading;
    private readonly ValueHold _hold;
    private readonly Forecaster _forecaster;
    private readonly ResidualDetector _detector;
    private readonly AnomalyReporter _anomalies;
    private readonly StreamMessages _messages;
    private readonly QualityWatch _quality;
    private long _seq;
    private long _forecasts;
    private long _missed;
    private long _healthAt;

    internal SensorStream(
        string device, StreamConfig config, ISensor sensor, IInferenceEngine engine, TimeSpan expiry, PublishAction publish, TimeProvider clock, ILogger log)
    {
        Name = config.Name;
        _sensor = sensor;
        _engine = engine;
        _publish = publish;
        _clock = clock;
        _log = log;
        _reading = new Reading(engine.Manifest.Columns.Count);
        _hold = new ValueHold(engine.Manifest, config.HoldTicks);
        _forecaster = new Forecaster(engine, config.Forecast.Interval);
        _detector = new ResidualDetector(engine.Manifest, config.Anomaly);
        _anomalies = new AnomalyReporter(config.Name, engine.Manifest, _detector, config.Anomaly.MinDurationTicks);
        _messages = new StreamMessages(device, config.Name, engine.Manifest, engine.ModelSha256, config.Forecast.Interval, expiry);
        _quality = new QualityWatch(engine.Manifest.Columns, log);
    }

    internal string Name { get; }

    internal IInferenceEngine Engine => _engine;

    /// <summary>Called after each tick, for whoever looks on.</summary>
    internal Action<SensorStream>? Ticked { get; set; }

    internal Reading LastReading => _reading;

    internal Forecaster Forecaster => _forecaster;

    internal ResidualDetector Detector => _detector;

    internal AnomalyEvent? LastAnomaly { get; private set; }

    internal StreamHealth Health => new()
    {
        Ticks = _seq,
        Forecasts = _forecasts,
        MissedTicks = _missed,
        Anomalies = _anomalies.Opened,
        Coverage = _forecaster.Coverage,
        BadTicks = _hold.BadTicks.ToArray(),
        SaturatedTicks = _engine.InputSaturations.ToArray(),
        StateSaturations = _engine.StateSaturations,
    };

    /// <summary>Runs until the source ends or <paramref name="cancel"/> says stop.</summary>
    internal async Task RunAsync(CancellationToken cancel)
    {
        await PublishAsync(_messages.AnomalyState(false), cancel).ConfigureAwait(false);
        while (await _sensor.ReadAsync(_reading, cancel).ConfigureAwait(false))
        {
            await TickAsync(cancel).ConfigureAwait(false);
        }

        if (_seq > 0)
        {
            await PublishAsync(_messages.Health(_seq, _reading, Health), cancel).ConfigureAwait(false);
        }

        _log.LogInformation("{Stream}: the source ended after {Ticks} rows", Name, _seq);
    }

    public void Dispose()
    {
        _messages.Dispose();
        _sensor.Dispose();
        _engine.Dispose();
    }

    // A reading from top to bottom.
    private async ValueTask TickAsync(CancellationToken cancel)
    {
        _seq++;
        _hold.Reject(_reading);
        bool qualityChanged = _quality.Observe(Name, _seq, _reading);
        bool usable = _hold.Fill(_reading);
        await PublishAsync(_messages.Reading(_seq, _reading), cancel).ConfigureAwait(false);

        _forecaster.Observe(_seq, _reading);
        AnomalyEvent? anomaly = _anomalies.Report(_seq, _reading, _detector.Observe(_forecaster.Errors));
        if (usable)
        {
            _forecaster.Step(_seq, _reading);
            _anomalies.Expect(_forecaster);

            // The first row only wakes the state: a forecast from one reading is a guess.
            if (_seq > 1)
            {
                await PublishAsync(_messages.Forecast(_seq, _reading.Time, _forecaster), cancel).ConfigureAwait(false);
                _forecasts++;
            }
        }
        else
        {
            _missed++;
        }

        if (anomaly is not null)
        {
            await PublishAnomalyAsync(anomaly, cancel).ConfigureAwait(false);
        }

        if (qualityChanged || _seq == 1 || _clock.GetElapsedTime(_healthAt) >= HealthEvery)
        {
            _healthAt = _clock.GetTimestamp();
            await PublishAsync(_messages.Health(_seq, _reading, Health), cancel).ConfigureAwait(false);
        }

        Ticked?.Invoke(this);
    }

    private async ValueTask PublishAnomalyAsync(AnomalyEvent anomaly, CancellationToken cancel)
    {
        LastAnomaly = anomaly;
        _log.LogInformation("{Stream}: anomaly {Id} {Change}: {Message}", Name, anomaly.Id, anomaly.Change.ToString().ToLowerInvariant(), anomaly.Message);
        await PublishAsync(_messages.Anomaly(_seq, _reading, anomaly), cancel).ConfigureAwait(false);
        if (anomaly.Change != AnomalyChange.Updated)
        {
            await PublishAsync(_messages.AnomalyState(anomaly.Change == AnomalyChange.Opened), cancel).ConfigureAwait(false);
        }
    }

    private ValueTask PublishAsync(MqttMessage message, CancellationToken cancel) => _publish(message, _sensor.CanWait, cancel);
}
