using System.Text.Json;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Sensors.Polling;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Testing;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>
/// A whole stream of the bundled model from an edge.yaml's source, under a clock that the test moves; its messages and log lines are
/// kept.
/// </summary>
internal sealed class StreamRig : IDisposable
{
    private readonly Sources _sources;
    private readonly StreamLoop _loop;
    private readonly Lockstep _lockstep;
    private readonly CancellationTokenSource _stop = new();
    private Task? _running;
    private int _target;
    private readonly List<MqttMessage> _messages = [];
    private readonly ListLog _log = new();
    private readonly TimeSpan _period = TimeSpan.FromSeconds(0.2);
    private int _ticks;

    /// <param name="source">The stream's <c>channels</c> or <c>source</c>, in YAML's flow style.</param>
    /// <param name="open">Where sensors are, given the clock and the log.</param>
    internal StreamRig(string source, Func<EdgeConfig, TimeProvider, ILogger, Sources>? open = null)
    {
        EdgeConfig config = ConfigFile.Parse(
            $"device: greenhouse\nstreams:\n  - {{ name: climate, model: demo, hold: 0, {source} }}",
            "edge.yaml");
        _sources = (open ?? ((edge, clock, log) => new Sources(edge, new Devices(), clock, log)))(config, Clock, _log);
        _lockstep = new Lockstep(Clock, _sources.Buses, _period) { Hangs = bus => Hangs(bus) };
        IInferenceEngine engine = EngineFactory.LoadInt8("demo");
        StreamConfig stream = config.Streams[0];
        ISensor sensor = _sources.Open(stream.Source, engine.Manifest, _period);
        _loop = new StreamLoop(
            "greenhouse",
            new SensorStream(engine, stream, _log),
            sensor,
            stream.Publish,
            TimeSpan.FromDays(7),
            Keep,
            Clock,
            _log)
        {
            Ticked = _ => Interlocked.Increment(ref _ticks),
        };
    }

    internal ManualClock Clock { get; } = new();

    internal Sources Sources => _sources;

    /// <summary>Whether a device of the bus of that name hangs now.</summary>
    internal Func<string, bool> Hangs { get; set; } = _ => false;

    internal IReadOnlyList<string> Log => [.. _log.Lines.Select(line => $"{line.Level}: {line.Text}")];

    /// <summary>Lets that many ticks pass.</summary>
    internal async Task TicksAsync(int count)
    {
        _running ??= Task.Run(() => _loop.RunAsync(_stop.Token, _stop.Token));
        for (int i = 0; i < count; i++)
        {
            _target++;
            await _lockstep.TickAsync(() => _running.IsCompleted || Volatile.Read(ref _ticks) >= _target);
            Assert.False(_running.IsCompleted, $"The stream has ended. {_running.Exception}");
        }
    }

    /// <summary>The newest message of a topic.</summary>
    internal JsonElement Last(string topic)
    {
        lock (_messages)
        {
            return JsonDocument.Parse(
                _messages.Last(message => message.Topic.EndsWith("/" + topic, StringComparison.Ordinal)).Payload).RootElement;
        }
    }

    /// <summary>How the newest reading names a channel's quality.</summary>
    internal string Quality(string channel) =>
        Last("reading").GetProperty("channels").GetProperty(channel) is var reading
            && reading.TryGetProperty("quality", out JsonElement quality)
            ? quality.GetString()!
            : "good";

    public void Dispose()
    {
        _stop.Cancel();
        _loop.Dispose();
        _sources.Dispose();
        _stop.Dispose();
    }

    private ValueTask Keep(
        SensorStream stream, TickRows rows, IReadOnlyList<MqttMessage> tick, bool canWait, CancellationToken cancel)
    {
        lock (_messages)
        {
            _messages.AddRange(tick);
        }

        return ValueTask.CompletedTask;
    }
}
