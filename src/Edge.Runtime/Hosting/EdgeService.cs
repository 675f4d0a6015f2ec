using System.Globalization;
using Edge.Runtime.Configuration;
using Edge.Runtime.Engines;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Publishing;
using Edge.Runtime.Remote;
using Edge.Runtime.Sensors;
using Edge.Runtime.Storage;
using Edge.Runtime.Streams;
using Edge.Runtime.Telemetry;
using Edge.Runtime.Updates;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>Everything edge.yaml asks for, opened at once and run until the sources end or someone says stop.</summary>
internal sealed class EdgeService : IDisposable
{
    // Longest wait, after a stop, for what is still on its way to the broker.
    private static readonly TimeSpan StopWait = TimeSpan.FromSeconds(2);

    private readonly EdgeConfig _config;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Lock _commitGate = new();
    private readonly StateStore? _store;
    private readonly Outbox _outbox;
    private readonly EngineFactory _engines;
    private readonly SensorContext _sensors;
    private readonly List<StreamHost> _hosts = [];
    private readonly Dictionary<string, (Action<bool> Set, IDisposable Pin)> _alarms = [];
    private readonly List<IDisposable> _telemetry = [];
    private readonly Dictionary<string, string> _sources;
    private readonly long _started;
    private readonly Dictionary<string, long> _lastSeq = [];
    private readonly CommandChannel? _commands;
    private readonly ModelAssembly _assembly;
    private readonly ModelUpdates? _updates;
    private readonly ModelInbox? _inbox;
    private ServiceMetrics? _metrics;
    private Exception? _bug;

    /// <summary>Opens models and sources.</summary>
    /// <exception cref="InputException">Something cannot be opened; one line for each that cannot.</exception>
    internal EdgeService(EdgeConfig config, TimeProvider clock, ILogger log)
    {
        _config = config;
        _clock = clock;
        _log = log;
        _started = clock.GetTimestamp();
        _assembly = new ModelAssembly(clock);
        _store = config.StateFolder is null ? null : StateStore.Open(config.StateFolder, config.Durability, config.Mqtt.Outbox.AgeMax, clock, InfoMessage.BootId(), log);
        _outbox = new Outbox(config.Mqtt.Outbox.SizeMaxBytes, _store);
        _engines = new EngineFactory(config.OnnxRuntime);
        _sensors = new SensorContext(config, clock, log);
        _sources = config.Streams.ToDictionary(stream => stream.Name, Source);
        var problems = new List<string>();
        foreach (StreamConfig stream in config.Streams)
        {
            try
            {
                _hosts.Add(new StreamHost(anew => Open(stream, anew), clock, log));
            }
            catch (InputException e)
            {
                problems.Add($"Stream '{stream.Name}': {e.Message}");
            }
        }

        Publisher = new Publisher(config.Device, _outbox, MqttLinkFactory.Create(config.Mqtt.Client, LinkOptions(config)), Info, clock, log, Describer());
        try
        {
            StartTelemetry();
        }
        catch (InputException e)
        {
            problems.Add(e.Message);
        }

        if (problems.Count == 0 && config.Models is { } models)
        {
            try
            {
                _updates = new ModelUpdates(models, config.Device, config.Streams.ToDictionary(stream => stream.Name), Host, _store, Publish, clock, log);
                _inbox = models.IncomingFolder is { } folder ? new ModelInbox(folder, _updates, log) : null;
            }
            catch (InputException e)
            {
                problems.Add(e.Message);
            }
        }

        if (problems.Count == 0 && config.Commands.Count > 0)
        {
            _commands = new CommandChannel(
                config.Device, config.Commands, [.. config.Streams.Select(stream => stream.Name)], ExecuteAsync, Publish, clock, log);
            _commands.Subscribe(_sensors.Mqtt);
        }

        if (problems.Count > 0)
        {
            Dispose();
            throw new InputException(string.Join('\n', problems));
        }
    }

    internal IReadOnlyList<SensorStream> Streams => [.. _hosts.Select(host => host.Stream)];

    internal Publisher Publisher { get; }

    /// <summary>Reads edge.yaml again, or says in an <see cref="InputException"/> what is wrong with it; what it gives takes it over. Null where nobody can.</summary>
    internal Func<Action>? Reload { get; set; }

    /// <summary>Messages that wait for the broker.</summary>
    internal int Waiting => _outbox.Count;

    /// <summary>What keeps it from being alive: streams that should tick and do not.</summary>
    internal IReadOnlyList<string> NotAlive => [.. Streams.Where(stream => !stream.IsAlive).Select(stream => $"stream {stream.Name} does not tick")];

    /// <summary>What keeps it from being of use.</summary>
    internal IReadOnlyList<string> NotReady =>
    [
        .. NotAlive,
        .. Streams.Where(stream => stream.Seq == 0).Select(stream => $"stream {stream.Name} has not ticked yet"),
        .. Publisher.IsConnected ? Array.Empty<string>() : ["the broker is not connected"],
    ];

    internal static MqttLinkOptions LinkOptions(EdgeConfig config) => new()
    {
        Host = config.Mqtt.Host,
        Port = config.Mqtt.Port,
        ClientId = $"edge-{config.Device}",
        Username = config.Mqtt.Username,
        Password = config.Mqtt.Password,
        Tls = config.Mqtt.Tls,
        Will = Publisher.Status(config.Device, online: false),
    };

    /// <summary>Runs until every source has ended and all is delivered, or <paramref name="stop"/> says stop.</summary>
    /// <returns>Whether every stream ended well.</returns>
    /// <exception cref="InputException">The broker refuses the configured credentials.</exception>
    internal async Task<bool> RunAsync(CancellationToken stop)
    {
        using var streamsStop = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var publisherStop = new CancellationTokenSource();
        Task publishing = Publisher.RunAsync(publisherStop.Token);
        Task<bool>[] running = _hosts.Select(host => Task.Run(() => RunStreamAsync(host, streamsStop.Token), CancellationToken.None)).ToArray();
        Task<bool[]> streams = Task.WhenAll(running);

        if (await Task.WhenAny(streams, publishing).ConfigureAwait(false) == publishing)
        {
            // Only a refusal, or a bug, ends the publisher before the streams.
            await streamsStop.CancelAsync().ConfigureAwait(false);
            await streams.ConfigureAwait(false);
            await publishing.ConfigureAwait(false);
        }

        bool[] ended = await streams.ConfigureAwait(false);
        _outbox.Complete();

        // From a stop on, what is still on its way has only so long; without one it has all the time it needs.
        using CancellationTokenRegistration hurry = stop.Register(() => publisherStop.CancelAfter(StopWait));
        try
        {
            await publishing.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _log.LogWarning("Stopped with {Count} messages undelivered: the broker was away", _outbox.Count);
        }

        return _bug is null ? Array.TrueForAll(ended, well => well) : throw new InvalidOperationException("A stream ended by a bug.", _bug);
    }

    public void Dispose()
    {
        _inbox?.Dispose();
        _commands?.Dispose();
        _telemetry.ForEach(each => each.Dispose());
        _hosts.ForEach(host => host.Dispose());
        foreach ((_, IDisposable pin) in _alarms.Values)
        {
            pin.Dispose();
        }

        _engines.Dispose();
        _sensors.Dispose();
        _store?.Dispose();
    }

    private void StartTelemetry()
    {
        if (_config.Telemetry is not { } config)
        {
            return;
        }

        var metrics = new ServiceMetrics(_config.Device, () => Streams, _outbox, _store, Publisher);
        _telemetry.Add(metrics);
        _metrics = metrics;
        foreach (SensorStream stream in Streams)
        {
            stream.Metrics = metrics.For(stream.Name);
        }

        if (config.Port is { } port)
        {
            var text = new PrometheusText(metrics.Meter);
            _telemetry.Insert(0, text);
            _telemetry.Insert(0, new HealthServer(port, text.Write, () => NotAlive, () => NotReady, _log));
        }

        if (config.Otlp is not null)
        {
            _telemetry.Insert(0, OtlpExport.Start(config, _config.Device, InfoMessage.Version));
        }
    }

    private SensorStream Open(StreamConfig stream, bool anew)
    {
        IInferenceEngine engine = _engines.Load(stream);
        if (stream.Engine == EngineKind.Onnx)
        {
            // Another provider than the first that was asked for is no small thing.
            bool isFirst = engine.Description.EndsWith(_config.OnnxRuntime.Providers[0], StringComparison.Ordinal);
            _log.Log(isFirst ? LogLevel.Information : LogLevel.Warning, "{Stream}: {Engine}", stream.Name, engine.Description);
        }

        TimeSpan period = stream.Period ?? TimeSpan.FromSeconds(engine.Manifest.PeriodSeconds);
        ISensor sensor = SensorFactory.Open(stream.Source, engine.Manifest, period, _sensors);
        var opened = new SensorStream(_config.Device, stream, sensor, engine, _config.Mqtt.Outbox.AgeMax, CommitAsync, _clock, _log)
        {
            Alarm = OpenAlarm(stream),
            Metrics = _metrics?.For(stream.Name),
        };
        Resume(opened, stream, anew);
        return opened;
    }

    // A pin is opened once, however often its stream is.
    private Action<bool>? OpenAlarm(StreamConfig stream)
    {
        if (stream.Anomaly.AlarmPin is not { } pin)
        {
            return null;
        }

        if (!_alarms.TryGetValue(stream.Name, out (Action<bool> Set, IDisposable Pin) alarm))
        {
            alarm = DevicePackages.AlarmPin is { } open
                ? open(pin)
                : throw new InputException("anomaly.alarm_pin: this build was made without the package System.Device.Gpio. Remove it, or build where the package registry has it.");
            _alarms[stream.Name] = alarm;
        }

        return alarm.Set;
    }

    // Where the stream stood when it was last committed, if it still reads the same source with the same model.
    private void Resume(SensorStream stream, StreamConfig config, bool anew)
    {
        // Without a store, what this process gave out is all there is to go on from.
        SavedStream? saved = _store?.Load(stream.Name) ?? (_lastSeq.TryGetValue(stream.Name, out long last) ? new SavedStream(last, [], "") : null);
        if (saved is null)
        {
            return;
        }

        byte[] snapshot = saved.Source == _sources[stream.Name] && !anew ? saved.Snapshot : [];
        using IInferenceEngine? writtenBy = _engines.LoadStateFrom(config);
        if (stream.Resume(saved.Seq, snapshot))
        {
            _log.LogInformation("{Stream}: goes on after tick {Seq}", stream.Name, saved.Seq);
        }
        else if (writtenBy is not null && stream.Resume(saved.Seq, snapshot, writtenBy))
        {
            _log.LogInformation("{Stream}: goes on after tick {Seq}, its state converted from '{Model}'", stream.Name, saved.Seq, config.StateFrom);
        }
        else if (saved.Snapshot.Length > 0 && !anew)
        {
            _log.LogWarning("{Stream}: model, source or configuration changed: its state begins anew, its numbers go on after {Seq}", stream.Name, saved.Seq);
        }
    }

    private static string Source(StreamConfig config) => config.Source switch
    {
        ReplayConfig replay => $"replay {Path.GetFullPath(replay.File)}",
        SimulatedConfig simulated => $"simulated {simulated.Seed}",
        _ => "channels",
    };

    /// <summary>Does what was asked for over MQTT.</summary>
    /// <returns>A sentence that says what was done.</returns>
    /// <exception cref="InputException">It cannot be done.</exception>
    internal async Task<CommandResult> ExecuteAsync(CommandRequest request)
    {
        StreamHost? host = request.Stream.Length == 0 ? null : Host(request.Stream);
        switch (request.Name)
        {
            case CommandName.Reset:
                return new($"Stream '{request.Stream}' begins anew after tick {await host!.BeginAnewAsync().ConfigureAwait(false)}.");
            case CommandName.Silence:
                bool wasOpen = await host!.BetweenTicksAsync(stream =>
                {
                    bool isOpen = stream.Detector.IsOpen;
                    stream.Detector.Silence(request.Time);
                    return isOpen;
                }).ConfigureAwait(false);
                return new($"Stream '{request.Stream}' {(wasOpen ? "closes its anomaly and " : "")}opens none until {_clock.GetUtcNow() + request.Time:yyyy-MM-dd'T'HH:mm:ss'Z'}.");
            case CommandName.Sensitivity:
                await host!.BetweenTicksAsync(stream =>
                {
                    stream.Detector.SetSensitivity(request.FalseAlarmsAWeek);
                    return true;
                }).ConfigureAwait(false);
                return new(string.Create(CultureInfo.InvariantCulture, $"Stream '{request.Stream}' puts up with {request.FalseAlarmsAWeek} false alarms a week until the next start."));
            case CommandName.Snapshot:
                (_store ?? throw new InputException("Nothing is kept: edge.yaml names no 'state' folder.")).Force();
                return new($"On the card: {string.Join(", ", Streams.Select(stream => $"{stream.Name} up to tick {stream.Seq}"))}.");
            case CommandName.Update:
                ModelUpdates updates = _updates ?? throw new InputException("No new models are taken: edge.yaml has no 'models'.");
                return new(_assembly.Add(request.Part!) is var (model, signature)
                    ? await updates.OfferAsync(request.Stream, model, signature).ConfigureAwait(false)
                    : $"Part {request.Part!.Part} of {request.Part.Parts} is there.");
            case CommandName.Rollback:
                return new(await (_updates ?? throw new InputException("No new models are taken: edge.yaml has no 'models'.")).RollBackAsync(request.Stream).ConfigureAwait(false));
            default:
                return new("The configuration is read again and taken over.", (Reload ?? throw new InputException("edge.yaml cannot be read again here."))());
        }
    }

    private StreamHost Host(string stream) => _hosts.First(host => host.Stream.Name == stream);

    // What is no tick's: an answer, an event of the service itself.
    private void Publish(MqttMessage message) => _ = _outbox.EnqueueAsync(message, canWait: false, CancellationToken.None).AsTask();

    // A tick: to the store as one, then on its way; without a store straight on its way.
    private async ValueTask CommitAsync(SensorStream stream, IReadOnlyList<MqttMessage> messages, bool canWait, CancellationToken cancel)
    {
        if (_store is null)
        {
            lock (_commitGate)
            {
                _lastSeq[stream.Name] = stream.Seq;
            }

            foreach (MqttMessage message in messages)
            {
                await _outbox.EnqueueAsync(message, canWait, cancel).ConfigureAwait(false);
            }

            return;
        }

        if (canWait)
        {
            await _outbox.WaitForRoomAsync(cancel).ConfigureAwait(false);
        }

        // Ids are handed out and queued in the same order: what is delivered up to one of them is delivered.
        lock (_commitGate)
        {
            if (_store.Commit(stream.Name, stream.Seq, stream.Save(), _sources[stream.Name], messages))
            {
                _outbox.AddStored(messages);
                return;
            }
        }

        // The disk refuses: what can still be delivered is.
        foreach (MqttMessage message in messages)
        {
            await _outbox.EnqueueAsync(message, canWait: false, cancel).ConfigureAwait(false);
        }
    }

    private async Task<bool> RunStreamAsync(StreamHost host, CancellationToken stop)
    {
        try
        {
            return await host.RunAsync(stop).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            _log.LogError("{Stream}: a bug of ours ended this stream; the others go on: {Message}", host.Stream.Name, e.Message);
            _bug = e;
            return false;
        }
    }

    private HomeAssistant? Describer() => _config.Mqtt.Discovery == Discovery.HomeAssistant
        ? new HomeAssistant(_config.Device, [.. Streams.Select(stream => (stream.Name, stream.Engine.Manifest))])
        : null;

    private MqttMessage Info() => InfoMessage.Write(_config.Device, _clock.GetUtcNow(), _clock.GetElapsedTime(_started), Streams);
}
