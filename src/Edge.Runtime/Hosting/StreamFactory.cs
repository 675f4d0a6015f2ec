using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Runtime.Telemetry;
using Edge.Sensors;
using Edge.Sensors.Gpio;
using Edge.Streams;
using Edge.Streams.Engines;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>Opens streams as edge.yaml describes them, from their last committed tick.</summary>
internal sealed class StreamFactory : IDisposable
{
    private readonly EdgeConfig _config;
    private readonly StateStore? _store;
    private readonly IReadOnlyDictionary<string, SavedStream> _before;
    private readonly CommitAction _commit;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly EngineFactory _engines;
    private readonly Sources _sources;
    private readonly Dictionary<string, AlarmPin> _alarms = [];

    /// <param name="config">The whole configuration.</param>
    /// <param name="store">The stored state, or null.</param>
    /// <param name="before">Last state of the streams of the previous configuration.</param>
    /// <param name="commit">Commits the ticks of the streams.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">What happens.</param>
    internal StreamFactory(
        EdgeConfig config,
        StateStore? store,
        IReadOnlyDictionary<string, SavedStream> before,
        CommitAction commit,
        TimeProvider clock,
        ILogger log)
    {
        _config = config;
        _store = store;
        _before = before;
        _commit = commit;
        _clock = clock;
        _log = log;
        _engines = new EngineFactory(config.OnnxRuntime);
        _sources = new Sources(config, new Devices(config.Sysfs), clock, log, keepsSessions: true);
    }

    /// <summary>Connections for subscribed topics.</summary>
    internal MqttTopics Topics => _sources.Topics;

    /// <summary>Metrics of the streams, or null.</summary>
    internal ServiceMetrics? Metrics { get; set; }

    /// <summary>Opens a stream.</summary>
    /// <param name="config">Which.</param>
    /// <param name="lastSeq">The last number (<c>seq</c>) that this process used for it; 0 at first.</param>
    /// <param name="reset">Whether to discard its state; its numbers continue.</param>
    /// <exception cref="InputException">Its model or source cannot be opened.</exception>
    internal StreamLoop Open(StreamConfig config, long lastSeq, bool reset)
    {
        SavedStream? saved = (lastSeq == 0 ? _before.GetValueOrDefault(config.Name) : null) ?? _store?.Load(config.Name);
        if (lastSeq > (saved?.Seq ?? 0) && _store is not { IsBroken: false })
        {
            // The disk may lack the last ticks, and no number may be sent twice.
            saved = (saved ?? new SavedStream(0, [], "")) with { Seq = lastSeq };
        }

        saved = reset ? saved is null ? null : new SavedStream(saved.Seq, [], saved.Source) : saved;
        (SensorStream stream, bool isResumed) = OpenStream(config, saved);
        try
        {
            return OpenLoop(config, stream, isResumed);
        }
        catch (Exception)
        {
            stream.Dispose();
            throw;
        }
    }

    private StreamLoop OpenLoop(StreamConfig config, SensorStream stream, bool isResumed)
    {
        ISensor sensor = _sources.Open(config.Source, stream.Manifest, stream.Period);
        var loop = new StreamLoop(_config.Device, stream, sensor, config.Publish, _config.Outbox.AgeMax, _commit, _clock, _log)
        {
            Alarm = OpenAlarm(config),
            Entities = _config.Discovery.For == Discovery.HomeAssistant ? config.Entities : null,
            Metrics = Metrics?.For(config.Name),
        };

        if (isResumed)
        {
            sensor.Resume(stream.Rows, stream.LastTime);
        }

        return loop;
    }

    // The stream after its last committed tick, or without state if what is stored does not fit.
    private (SensorStream Stream, bool IsResumed) OpenStream(StreamConfig config, SavedStream? saved)
    {
        var stream = new SensorStream(LoadEngine(config), config, _log);
        if (saved is null || !Resume(stream, config, saved))
        {
            return (stream, false);
        }

        try
        {
            stream.Replay(StoredRows.Fill(saved.Rows, stream.Manifest.Columns.Count), saved.Seq);
            return (stream, true);
        }
        catch (Exception e) when (saved.Rows.Count > 0)
        {
            // It would fail at each start.
            _log.LogError(
                "{Stream}: the rows after tick {Seq} cannot be stepped again, its state continues from there: {Kind}: {Message}",
                config.Name,
                saved.Stepped,
                e.GetType().Name,
                e.Message);
            stream.Dispose();
            return OpenStream(config, saved with { Rows = [] });
        }
    }

    private IInferenceEngine LoadEngine(StreamConfig config)
    {
        IInferenceEngine engine = _engines.Load(config, why => _log.LogWarning("{Stream}: {Why}", config.Name, why));
        if (config.Engine == EngineKind.Onnx)
        {
            // A provider other than the first configured one is a warning.
            bool isFirst = engine.Description.EndsWith(_config.OnnxRuntime.Providers[0], StringComparison.Ordinal);
            _log.Log(isFirst ? LogLevel.Information : LogLevel.Warning, "{Stream}: {Engine}", config.Name, engine.Description);
        }

        return engine;
    }

    public void Dispose()
    {
        foreach (AlarmPin alarm in _alarms.Values)
        {
            alarm.Dispose();
        }

        _engines.Dispose();
        _sources.Dispose();
    }

    // A pin is opened once, even if its stream is opened again.
    private Action<bool>? OpenAlarm(StreamConfig config)
    {
        if (config.AlarmPin is not { } pin)
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

    // The saved state, if the stream has the same source and the same model, or the same weights in another engine.
    private bool Resume(SensorStream stream, StreamConfig config, SavedStream saved)
    {
        byte[] snapshot = saved.Source == config.Source.Identity ? saved.Snapshot : [];
        if (stream.Resume(saved.Stepped, snapshot))
        {
            _log.LogInformation("{Stream}: continues after tick {Seq}", stream.Name, saved.Seq);
            return true;
        }

        using IInferenceEngine? writtenBy = snapshot.Length > 0 ? _engines.LoadStateFrom(config) : null;
        if (writtenBy is not null && stream.Resume(saved.Stepped, snapshot, writtenBy))
        {
            _log.LogInformation(
                "{Stream}: continues after tick {Seq}, its state converted from '{Model}'",
                stream.Name,
                saved.Seq,
                config.StateFrom);
            return true;
        }

        stream.Resume(saved.Seq, []);
        if (saved.Snapshot.Length > 0)
        {
            _log.LogWarning(
                "{Stream}: model, source, configuration or program changed: its state is reset, its numbers continue after {Seq}",
                stream.Name,
                saved.Seq);
        }

        return false;
    }
}
