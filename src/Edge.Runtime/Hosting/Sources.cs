using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Configuration;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Sensors;
using Edge.Sensors.Polling;
using Edge.Sensors.Timing;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>Opens every source that edge.yaml can name: those of this machine, and rows over MQTT.</summary>
internal sealed class Sources : IDisposable
{
    private readonly SensorFactory _sensors;
    private readonly TimeProvider _clock;
    private readonly SystemClock _system;
    private readonly ILogger _log;

    /// <param name="config">Device and broker.</param>
    /// <param name="devices">The machine's devices.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">What concerns no single stream.</param>
    /// <param name="keepsSessions">Whether the broker keeps rows while this process is away.</param>
    /// <param name="topics">The connections over which topics come in; null for the configured broker's.</param>
    /// <param name="system">What the operating system knows of its clocks; null for Linux's.</param>
    internal Sources(
        EdgeConfig config, Devices devices, TimeProvider clock, ILogger log, bool keepsSessions = false, MqttTopics? topics = null, SystemClock? system = null)
    {
        _clock = clock;
        _system = system ?? SystemClock.Linux;
        _log = log;
        Topics = topics ?? new MqttTopics((name, session) => BrokerLinks.Create(config, name, session), keepsSessions, clock, log);
        _sensors = new SensorFactory(devices, Buses, clock, _system, Topics.Subscribe);
    }

    /// <summary>The connections over which topics come in.</summary>
    internal MqttTopics Topics { get; }

    /// <summary>The threads of the machine's buses.</summary>
    internal Buses Buses { get; } = new();

    /// <exception cref="InputException">The source cannot be opened or does not have the model's columns.</exception>
    internal ISensor Open(SourceOptions source, ModelManifest manifest, TimeSpan period) => source is MqttRowOptions rows
        ? new MqttRowSensor(rows, manifest.Columns, period, _clock, _system, () => Topics.OpenRows(rows), _log)
        : _sensors.Open(source, manifest, period);

    /// <summary>Live channels as they are, before there is a model of them.</summary>
    /// <exception cref="InputException">A channel cannot be opened.</exception>
    internal ISensor OpenChannels(ChannelsOptions channels, IReadOnlyList<string> columns, TimeSpan period) =>
        _sensors.OpenChannels(channels, columns, period);

    public void Dispose()
    {
        Topics.Dispose();
        Buses.Dispose();
    }
}
