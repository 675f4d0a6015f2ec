using System.Globalization;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>New models for the streams of the service: from a folder, over MQTT, or learned from stored rows.</summary>
internal sealed class ServiceModels : IDisposable
{
    private readonly EdgeConfig _config;
    private readonly IReadOnlyList<StreamHost> _hosts;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly ModelEvents _events;
    private readonly ModelLearning? _learning;
    private readonly ModelInbox? _inbox;

    /// <param name="config">The configuration.</param>
    /// <param name="hosts">Its streams.</param>
    /// <param name="store">Stored rows and state, or null.</param>
    /// <param name="publish">Publishes an event.</param>
    /// <param name="info">Writes the <c>info</c> message.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">The log.</param>
    /// <exception cref="InputException">A key, a folder or the program that learns cannot be used.</exception>
    internal ServiceModels(
        EdgeConfig config,
        IReadOnlyList<StreamHost> hosts,
        StateStore? store,
        Action<MqttMessage> publish,
        Func<MqttMessage> info,
        TimeProvider clock,
        ILogger log)
    {
        (_config, _hosts, _clock, _log) = (config, hosts, clock, log);
        _events = new ModelEvents(config.Device, publish, info, clock, log) { Reported = Note };
        LearningStream[] learning = [.. config.Streams.SelectMany(Learning)];
        if (config.Models is null && learning.Length == 0)
        {
            return;
        }

        Updates = new ModelUpdates(
            config.Models,
            config.Streams.ToDictionary(stream => stream.Name, stream => stream.HasReplaceableModel ? stream.Model : null),
            Control,
            store,
            _events);
        _inbox = config.Models?.IncomingFolder is { } folder ? new ModelInbox(folder, Updates, log) : null;
        try
        {
            _learning = learning.Length > 0 ? OpenLearning(learning, Updates, store!) : null;
        }
        catch (InputException)
        {
            _inbox?.Dispose();
            throw;
        }
    }

    /// <summary>Takes models in; null if edge.yaml allows none.</summary>
    internal ModelUpdates? Updates { get; }

    /// <summary>What a stream that learns does now, for a person; null for one that does not learn.</summary>
    internal string? LearningOf(string stream) => _learning?.StateOf(stream);

    /// <summary>Begins to learn, after all streams are open.</summary>
    internal void Start()
    {
        EndLostCanaries();
        _learning?.Start();
    }

    public void Dispose()
    {
        _learning?.Dispose();
        _inbox?.Dispose();
    }

    // A canary phase continues once its model is offered again. A model without a file is never offered.
    private void EndLostCanaries()
    {
        foreach (SensorStream stream in _hosts.Select(host => host.Stream))
        {
            if (stream.InterruptedCanary is { } sha256 && _inbox?.Found(stream.Name) != true && _learning?.Found(stream.Name) != true)
            {
                stream.ForgetCanary();
                string advice = _inbox is null && _config.Models is not null ? " 'models.incoming' keeps such files." : "";
                _events.Say(
                    stream.Name,
                    "refused",
                    sha256,
                    null,
                    $"Its canary phase has ended with the service, because the file of the model is not there. Offer it again.{advice}");
            }
        }
    }

    private IEnumerable<LearningStream> Learning(StreamConfig stream)
    {
        if (stream.Learn is { } learn)
        {
            int ticks = learn.CanaryTicks(Control(stream.Name).Stream.Period, _config.Models?.CanaryTicks);
            yield return new LearningStream(stream.Name, learn, stream.Model, ticks);
        }
    }

    private ModelLearning OpenLearning(LearningStream[] streams, ModelUpdates updates, StateStore store)
    {
        foreach (LearningStream stream in streams)
        {
            TrainingProcess.Find(stream.Options.Program);
        }

        string folder = Path.Combine(_config.StateFolder!, "learn");
        var training = new TrainingProcess(_config.File, _config.Device, folder, _clock);
        return new ModelLearning(streams, folder, Control, updates, _events, store, training.TrainAsync, _clock, _log);
    }

    // At the time of the newest row, where the curves of the stream end; before the first row at that of the clock.
    private void Note(string stream, string change, string message)
    {
        StreamHost host = _hosts.First(host => host.Stream.Name == stream);
        DateTime now = _clock.GetUtcNow().UtcDateTime;
        DateTime last = host.Stream.LastTime;
        host.Note(
            new HistoryEvent(
                host.Stream.Seq,
                last == default ? now : last,
                string.Create(CultureInfo.InvariantCulture, $"{stream}-{change}-{now.Ticks}"),
                HistoryEventKind.Model,
                change,
                double.NaN,
                message)
            {
                Channel = "",
                Severity = "note",
            });
    }

    private StreamControl Control(string stream) => _hosts.First(host => host.Stream.Name == stream).Control;
}
