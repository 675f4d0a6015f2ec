using Edge.Runtime.Configuration;
using Edge.Runtime.Engines;
using Edge.Runtime.Gpio;
using Edge.Runtime.Sensors;
using Edge.Runtime.Storage;
using Edge.Runtime.Streams;
using Edge.Runtime.Telemetry;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>Opens streams as edge.yaml describes them, where they stood when they were last committed.</summary>
internal sealed class StreamOpener : IDisposable
{
    private readonly EdgeConfig _config;
    private readonly StateStore? _store;
    private readonly IReadOnlyDictionary<string, SavedStream> _before;
    private readonly CommitAction _commit;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly EngineFactory _engines;
    private readonly Dictionary<string, AlarmPin> _alarms = [];

    /// <param name="config">The whole configuration.</param>
    /// <param name="store">What is remembered, or null.</param>
    /// <param name="before">What streams of the configuration before were when they ended.</param>
    /// <param name="commit">Takes the streams' ticks.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">What happens.</param>
    internal StreamOpener(EdgeConfig config, StateStore? store, IReadOnlyDictionary<string, SavedStream> before, CommitAction commit, TimeProvider clock, ILogger log)
    {
        _config = config;
        _store = store;
        _before = before;
        _commit = commit;
        _clock = clock;
        _log = log;
        _engines = new EngineFactory(config.OnnxRuntime);
        Sensors = new SensorContext(config, clock, log) { KeepsSessions = true };
    }

    /// <summary>What the sensors of all streams share.</summary>
    internal SensorContext Sensors { get; }

    /// <summary>Where streams record how long they take, or null.</summary>
    internal ServiceMetrics? Metrics { get; set; }

    /// <summary>What a stream reads, in words: a state belongs to it.</summary>
    internal static string Source(StreamConfig config) => config.Source switch
    {
        ReplayConfig replay => $"replay {Path.GetFullPath(replay.File)}",
        SimulatedConfig simulated => $"simulated {simulated.Seed}",
        MqttSourceConfig rows => $"mqtt {rows.Topic}",
        _ => "channels",
    };

    /// <summary>Opens a stream.</summary>
    /// <param name="config">Which.</param>
    /// <param name="lastSeq">The last number this process has given out for it; 0 at first.</param>
    /// <param name="anew">Without the state it had; its numbers go on.</param>
    /// <exception cref="InputException">Its model or source cannot be opened.</exception>
    internal SensorStream Open(StreamConfig config, long lastSeq, bool anew)
    {
        IInferenceEngine engine = _engines.Load(config);
        if (config.Engine == EngineKind.Onnx)
        {
            // Another provider than the first that was asked for is no small thing.
            bool isFirst = engine.Description.EndsWith(_config.OnnxRuntime.Providers[0], StringComparison.Ordinal);
            _log.Log(isFirst ? LogLevel.Information : LogLevel.Warning, "{Stream}: {Engine}", config.Name, engine.Description);
        }

        TimeSpan period = config.Period ?? TimeSpan.FromSeconds(engine.Manifest.PeriodSeconds);
        ISensor sensor = SensorFactory.Open(config.Source, engine.Manifest, period, Sensors);
        var stream = new SensorStream(_config.Device, config, sensor, engine, _config.Mqtt.Outbox.AgeMax, _commit, _clock, _log)
        {
            Alarm = OpenAlarm(config),
            Metrics = Metrics?.For(config.Name),
        };

        SavedStream? saved = (lastSeq == 0 ? _before.GetValueOrDefault(config.Name) : null) ?? _store?.Load(config.Name);
        if (lastSeq > (saved?.Seq ?? 0) && _store is not { IsBroken: false })
        {
            // The disk has not taken all, and no number may go out twice.
            saved = (saved ?? new SavedStream(0, [], "")) with { Seq = lastSeq };
        }

        if (saved is not null)
        {
            Resume(stream, config, anew ? saved with { Snapshot = [] } : saved);
        }

        return stream;
    }

    public void Dispose()
    {
        foreach (AlarmPin alarm in _alarms.Values)
        {
            alarm.Dispose();
        }

        _engines.Dispose();
        Sensors.Dispose();
    }

    // A pin is opened once, however often its stream is.
    private Action<bool>? OpenAlarm(StreamConfig config)
    {
        if (config.Anomaly.AlarmPin is not { } pin)
        {
            return null;
        }

        if (!_alarms.TryGetValue(config.Name, out AlarmPin? alarm))
        {
            alarm = new AlarmPin(pin, GpioChips.Open);
            _alarms[config.Name] = alarm;
        }

        return alarm.Set;
    }

    // Where the stream stood, if it still reads the same source with the same model, or with the same weights in another engine.
    private void Resume(SensorStream stream, StreamConfig config, SavedStream saved)
    {
        byte[] snapshot = saved.Source == Source(config) ? saved.Snapshot : [];
        if (stream.Resume(saved.Seq, snapshot))
        {
            _log.LogInformation("{Stream}: goes on after tick {Seq}", stream.Name, saved.Seq);
            return;
        }

        using IInferenceEngine? writtenBy = snapshot.Length > 0 ? _engines.LoadStateFrom(config) : null;
        if (writtenBy is not null && stream.Resume(saved.Seq, snapshot, writtenBy))
        {
            _log.LogInformation("{Stream}: goes on after tick {Seq}, its state converted from '{Model}'", stream.Name, saved.Seq, config.StateFrom);
        }
        else if (saved.Snapshot.Length > 0)
        {
            _log.LogWarning("{Stream}: model, source or configuration changed: its state begins anew, its numbers go on after {Seq}", stream.Name, saved.Seq);
        }
    }
}
