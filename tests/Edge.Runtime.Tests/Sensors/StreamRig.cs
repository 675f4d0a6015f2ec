using System.Text.Json;
using Edge.Runtime.Configuration;
using Edge.Runtime.Engines;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Sensors;
using Edge.Runtime.Sensors.Channels;
using Edge.Runtime.Streams;
using Edge.Testing;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>A whole stream of the bundled model from an edge.yaml's source, under a clock that the test moves; its messages and log lines are kept.</summary>
internal sealed class StreamRig : IDisposable
{
    private readonly SensorContext _context;
    private readonly SensorStream _stream;
    private readonly Lockstep _lockstep;
    private readonly CancellationTokenSource _stop = new();
    private Task? _running;
    private int _target;
    private readonly List<MqttMessage> _messages = [];
    private readonly ListLog _log = new();
    private readonly TimeSpan _period = TimeSpan.FromSeconds(0.2);
    private int _ticks;

    /// <param name="source">The stream's <c>channels</c> or <c>source</c>, in YAML's flow style.</param>
    /// <param name="context">Where sensors are, given the clock and the log.</param>
    internal StreamRig(string source, Func<EdgeConfig, TimeProvider, ILogger, SensorContext>? context = null)
    {
        EdgeConfig config = ConfigFile.Parse($"device: greenhouse\nstreams:\n  - {{ name: climate, model: demo, hold: 0, {source} }}", "edge.yaml");
        _context = (context ?? ((edge, clock, log) => new SensorContext(edge, clock, log)))(config, Clock, _log);
        _lockstep = new Lockstep(Clock, _context.Buses, _period) { Hangs = bus => Hangs(bus) };
        IInferenceEngine engine = EngineFactory.LoadInt8("demo");
        ISensor sensor = SensorFactory.Open(config.Streams[0].Source, engine.Manifest, _period, _context);
        _stream = new SensorStream("greenhouse", config.Streams[0], sensor, engine, TimeSpan.FromDays(7), Keep, Clock, _log) { Ticked = _ => Interlocked.Increment(ref _ticks) };
    }

    internal ManualClock Clock { get; } = new();

    internal SensorContext Context => _context;

    /// <summary>Whether a device of the bus of that name hangs now.</summary>
    internal Func<string, bool> Hangs { get; set; } = _ => false;

    internal IReadOnlyList<string> Log => _log.Lines;

    /// <summary>Lets that many ticks pass.</summary>
    internal async Task TicksAsync(int count)
    {
        _running ??= Task.Run(() => _stream.RunAsync(_stop.Token));
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
            return JsonDocument.Parse(_messages.Last(message => message.Topic.EndsWith("/" + topic, StringComparison.Ordinal)).Payload).RootElement;
        }
    }

    /// <summary>How the newest reading names a channel's quality.</summary>
    internal string Quality(string channel) =>
        Last("reading").GetProperty("channels").GetProperty(channel) is var reading && reading.TryGetProperty("quality", out JsonElement quality) ? quality.GetString()! : "good";

    public void Dispose()
    {
        _stop.Cancel();
        _stream.Dispose();
        _context.Dispose();
        _stop.Dispose();
    }

    private ValueTask Keep(SensorStream stream, IReadOnlyList<MqttMessage> tick, bool canWait, CancellationToken cancel)
    {
        lock (_messages)
        {
            _messages.AddRange(tick);
        }

        return ValueTask.CompletedTask;
    }

    private sealed class ListLog : ILogger
    {
        private readonly List<string> _lines = [];

        internal IReadOnlyList<string> Lines
        {
            get
            {
                lock (_lines)
                {
                    return [.. _lines];
                }
            }
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_lines)
            {
                _lines.Add($"{logLevel}: {formatter(state, exception)}");
            }
        }
    }
}
