using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Runtime.Telemetry;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>Opens everything that edge.yaml configures and runs it until the sources end or a stop is requested.</summary>
internal sealed class EdgeService : IDisposable
{
    // Longest wait, after a stop, for messages in flight to the broker.
    private static readonly TimeSpan StopWait = TimeSpan.FromSeconds(2);

    // How often the info message is published again, for the disk space in it.
    private static readonly TimeSpan InfoEvery = TimeSpan.FromMinutes(10);

    private readonly EdgeConfig _config;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly StateStore? _store;
    private readonly Outbox _outbox;
    private readonly TickCommitter _committer;
    private readonly StreamFactory _streams;
    private readonly List<StreamHost> _hosts = [];
    private readonly List<IDisposable> _telemetry = [];
    private readonly Dictionary<string, string> _sources;
    private readonly long _started;
    private readonly CommandChannel? _commands;
    private readonly ServiceModels? _models;
    private readonly PageHost? _page;
    private readonly RetainedTopics _retained;
    private PrometheusText? _metricsText;
    private long _infoAt;
    private Exception? _bug;

    /// <summary>Opens models and sources.</summary>
    /// <exception cref="InputException">Something cannot be opened; one line each.</exception>
    /// <param name="config">The configuration.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">What happens.</param>
    /// <param name="before">Last state of the streams of the previous configuration; null for none.</param>
    /// <param name="retainedBefore">Topics that the previous configuration retained.</param>
    /// <param name="reload">
    /// Reads edge.yaml again and returns the action that applies it; an <see cref="InputException"/> says what is wrong. Null if it
    /// cannot be read again.
    /// </param>
    internal EdgeService(
        EdgeConfig config,
        TimeProvider clock,
        ILogger log,
        IReadOnlyDictionary<string, SavedStream>? before = null,
        Func<Action>? reload = null,
        IReadOnlyCollection<string>? retainedBefore = null)
    {
        _config = config;
        _clock = clock;
        _log = log;
        _started = clock.GetTimestamp();
        _infoAt = _started;
        _store = config.StateFolder is null
            ? null
            : StateStore.Open(
                config.StateFolder,
                config.Durability,
                config.Outbox.AgeMax,
                clock,
                InfoMessage.BootId(),
                log,
                config.History,
                startsIfFull: true);
        _outbox = new Outbox(config.Outbox.SizeMaxBytes, _store);
        _sources = config.Streams.ToDictionary(stream => stream.Name, stream => stream.Source.Identity);
        _committer = new TickCommitter(_store, _outbox, _sources, clock, log);
        _streams = new StreamFactory(config, _store, before ?? new Dictionary<string, SavedStream>(), _committer.CommitAsync, clock, log);
        var problems = new List<string>();
        foreach (StreamConfig stream in config.Streams)
        {
            try
            {
                _hosts.Add(new StreamHost((lastSeq, reset) => _streams.Open(stream, lastSeq, reset), _committer.Flush, clock, log));
            }
            catch (InputException e)
            {
                problems.Add($"Stream '{stream.Name}': {e.Message}");
            }
        }

        foreach (StreamHost host in _hosts)
        {
            host.OnlineChanged = isOnline => Publish(StatusMessage.Write(config.Device, host.Stream.Name, isOnline));
        }

        DiscoveryAnnouncement? discovery = problems.Count > 0
            ? null
            : DeviceTopics.Describe(config, config.Streams.Zip(Streams, (each, stream) => (each, stream.Manifest, stream.Period)));
        _retained = new RetainedTopics(config, DeviceTopics.Retained(config, discovery), retainedBefore ?? [], _store, log);

        Publisher = new Publisher(_outbox, BrokerLinks.Create(config), Announcements(discovery), clock, log);
        try
        {
            StartTelemetry();
        }
        catch (InputException e)
        {
            problems.Add(e.Message);
        }

        if (problems.Count == 0)
        {
            try
            {
                _models = new ServiceModels(config, _hosts, _store, Publish, Info, clock, log);
            }
            catch (InputException e)
            {
                problems.Add(e.Message);
            }
        }

        var commands = new ServiceCommands([.. _hosts.Select(host => host.Control)], _store, _models?.Updates, reload, clock);
        if (problems.Count == 0 && config.Commands.Count > 0)
        {
            _commands = new CommandChannel(
                config.Device,
                config.Commands,
                [.. config.Streams.Select(stream => stream.Name)],
                commands.ExecuteAsync,
                Publish,
                clock,
                log);
            _commands.Subscribe(_streams.Topics.Shared);
        }

        if (problems.Count == 0)
        {
            try
            {
                _page = PageHost.Open(this, config, commands, _metricsText, clock, log);
            }
            catch (InputException e)
            {
                problems.Add(e.Message);
            }
        }

        if (problems.Count > 0)
        {
            Dispose();
            throw new InputException(string.Join('\n', problems));
        }

        SayOtherPeriods();
        _models!.Start();
    }

    internal IReadOnlyList<StreamHost> Hosts => _hosts;

    /// <summary>Topics that this configuration retains.</summary>
    internal IReadOnlyCollection<string> Retained => _retained.Current;

    internal IReadOnlyList<SensorStream> Streams => [.. _hosts.Select(host => host.Stream)];

    internal Publisher Publisher { get; }

    /// <summary>The page's address, or null.</summary>
    internal string? PageAddress => _page?.Address;

    /// <summary>What a stream that learns does now, for a person; null for one that does not learn.</summary>
    internal string? LearningOf(string stream) => _models?.LearningOf(stream);

    /// <summary>Time since the start.</summary>
    internal TimeSpan Uptime => _clock.GetElapsedTime(_started);

    /// <summary>The stored state, or null.</summary>
    internal StateStore? Store => _store;

    /// <summary>Messages evicted because the outbox was full.</summary>
    internal long Dropped => _outbox.Dropped.Sum();

    /// <summary>Messages waiting for the broker.</summary>
    internal int Waiting => _outbox.Count;

    /// <summary>For how long the oldest of them has waited; zero if none waits.</summary>
    internal TimeSpan LongestWait => _outbox.Age;

    /// <summary>Last state of each stream; call it after the streams have ended.</summary>
    internal IReadOnlyDictionary<string, SavedStream> Saved =>
        Streams.Where(stream => stream.Seq > 0)
            .ToDictionary(stream => stream.Name, stream => new SavedStream(stream.Seq, stream.Save(), _sources[stream.Name]));

    /// <summary>Why the service is not alive: streams that should tick and do not.</summary>
    internal IReadOnlyList<string> NotAlive =>
    [
        .. _hosts.Where(host => !host.IsAlive).Select(
            host => host.IsTicking
                ? $"stream {host.Stream.Name} skips every row that comes"
                : $"stream {host.Stream.Name} does not tick"),
    ];

    /// <summary>Why the service is not ready.</summary>
    internal IReadOnlyList<string> NotReady =>
    [
        .. NotAlive,
        .. Streams.Where(stream => stream.Seq == 0).Select(stream => $"stream {stream.Name} has not ticked yet"),
        .. Publisher.IsConnected ? Array.Empty<string>() : ["the broker is not connected"],
    ];

    /// <summary>Runs until every source has ended and all is delivered, or until <paramref name="stop"/>.</summary>
    /// <returns>Whether every stream ended well.</returns>
    /// <exception cref="InputException">The broker refuses the configured credentials.</exception>
    internal async Task<bool> RunAsync(CancellationToken stop)
    {
        using var streamsStop = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var publisherStop = new CancellationTokenSource();
        Task publishing = Publisher.RunAsync(publisherStop.Token);
        Task<bool>[] running = _hosts.Select(
            host => Task.Run(() => RunStreamAsync(host, streamsStop.Token), CancellationToken.None)).ToArray();
        Task<bool[]> streams = Task.WhenAll(running);

        if (await Task.WhenAny(streams, publishing).ConfigureAwait(false) == publishing)
        {
            // Only a refusal, or a bug, ends the publisher before the streams.
            await streamsStop.CancelAsync().ConfigureAwait(false);
            await streams.ConfigureAwait(false);
            await publishing.ConfigureAwait(false);
        }

        bool[] ended = await streams.ConfigureAwait(false);
        await _committer.CompleteAsync().ConfigureAwait(false);
        foreach (SensorStream stream in Streams)
        {
            _committer.StoreState(stream);
        }

        _outbox.Complete();

        // After a stop, delivery of the remaining messages has a time limit; without a stop it has none.
        using CancellationTokenRegistration hurry = stop.Register(() => publisherStop.CancelAfter(StopWait));
        try
        {
            await publishing.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _log.LogWarning(
                "Stopped with {Messages}: the broker was unreachable", Quantity.Of(_outbox.Count, "undelivered message"));
        }

        return _bug is null ? Array.TrueForAll(ended, well => well) : throw new InvalidOperationException("A stream ended by a bug.", _bug);
    }

    /// <summary>Publishes what changes without a tick: whether each stream is online, and now and then the info message.</summary>
    internal void Look()
    {
        _hosts.ForEach(host => host.NoteOnline());
        if (_clock.GetElapsedTime(_infoAt) >= InfoEvery)
        {
            _infoAt = _clock.GetTimestamp();
            Publish(Info());
        }
    }

    /// <summary>Closes everything, the store last. Whatever one part does, the others are closed.</summary>
    public void Dispose()
    {
        IDisposable?[] parts = [_page, _models, _commands, .. _telemetry, .. _hosts, _streams, _committer, _store];
        foreach (IDisposable part in parts.OfType<IDisposable>())
        {
            try
            {
                part.Dispose();
            }
            catch (Exception e)
            {
                _log.LogError(
                    "A bug in edge-runtime: {Part} could not be closed ({Kind}): {Message}",
                    part.GetType().Name,
                    e.GetType().Name,
                    PrintableText.Of(e.Message));
            }
        }
    }

    private void SayOtherPeriods()
    {
        foreach ((StreamConfig stream, SensorStream running) in _config.Streams.Zip(Streams))
        {
            if (stream.OtherPeriod(running.Manifest) is { } why)
            {
                _log.LogWarning("{Stream}: {Why}", stream.Name, why);
            }
        }
    }

    private void StartTelemetry()
    {
        if (_config.Telemetry is not { } config)
        {
            return;
        }

        var metrics = new ServiceMetrics(
            _config.Device,
            () => [.. _hosts.Select(host => (host.Stream, host.IsAlive, host.SkippedRows))],
            _outbox,
            _store,
            Publisher);
        _telemetry.Add(metrics);
        _streams.Metrics = metrics;
        foreach (StreamHost host in _hosts)
        {
            host.Record(metrics.For(host.Stream.Name));
        }

        if (config.Listen is not null)
        {
            _metricsText = new PrometheusText(metrics.Meter);
            _telemetry.Insert(0, _metricsText);
        }

        if (config.Otlp is not null)
        {
            _telemetry.Insert(0, OtlpExport.Start(config, "edge-runtime", _config.Device, ServiceMetrics.MeterName, InfoMessage.Version));
        }
    }

    // Messages that belong to no tick: an answer, an event of the service.
    private void Publish(MqttMessage message) => _outbox.Enqueue(message);

    private async Task<bool> RunStreamAsync(StreamHost host, CancellationToken stop)
    {
        try
        {
            return await host.RunAsync(stop).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            _log.LogError(
                "{Stream}: a bug in edge-runtime ended this stream; the other streams continue: {Message}",
                host.Stream.Name,
                PrintableText.Of(e.Message, 500));
            _bug = e;
            return false;
        }
    }

    private Announcements Announcements(DiscoveryAnnouncement? discovery) => new(
        StatusMessage.Write(_config.Device, isOnline: true),
        StatusMessage.Write(_config.Device, isOnline: false),
        Info,
        discovery)
    {
        Retained = _retained.Current.ToHashSet(),
        Stale = _retained.Stale,
        Cleared = _retained.NoteCleared,
    };

    private MqttMessage Info() => InfoMessage.Write(
        _config.Device,
        $"{_config.Mqtt.Host}:{_config.Mqtt.Port}",
        _config.StateFolder,
        _clock.GetUtcNow(),
        _clock.GetElapsedTime(_started),
        Streams,
        LearningOf);
}
