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

/// <summary>Opens every source of edge.yaml: those of this machine, and rows over MQTT.</summary>
internal sealed class Sources : IDisposable
{
    private readonly SensorFactory _sensors;
    private readonly TimeProvider _clock;
    private readonly SystemClock _system;
    private readonly ILogger _log;

    /// <param name="config">Device and broker.</param>
    /// <param name="devices">The machine's devices.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">Events that concern no single stream.</param>
    /// <param name="keepsSessions">Whether the broker keeps rows while this process does not run.</param>
    /// <param name="topics">Connections for subscribed topics; null for those of the configured broker.</param>
    /// <param name="system">The clocks of the operating system; null for those of Linux.</param>
    internal Sources(
        EdgeConfig config,
        Devices devices,
        TimeProvider clock,
        ILogger log,
        bool keepsSessions = false,
        MqttTopics? topics = null,
        SystemClock? system = null)
    {
        _clock = clock;
        _system = system ?? SystemClock.Linux;
        _log = log;
        Topics = topics ?? new MqttTopics((name, session) => BrokerLinks.Create(config, name, session), keepsSessions, clock, log);
        _sensors = new SensorFactory(devices, Buses, clock, _system, Topics.Subscribe, log);
    }

    /// <summary>Connections for subscribed topics.</summary>
    internal MqttTopics Topics { get; }

    /// <summary>The threads of the machine's buses.</summary>
    internal Buses Buses { get; } = new();

    /// <exception cref="InputException">The source cannot be opened or does not have the model's columns.</exception>
    internal ISensor Open(SourceOptions source, ModelManifest manifest, TimeSpan period)
    {
        ISensor sensor = source is MqttRowOptions rows
            ? new MqttRowSensor(rows, manifest.Columns, period, _clock, _system, () => Topics.OpenRows(rows), _log)
            : _sensors.Open(source, manifest, period);
        return source is ChannelsOptions ? sensor : RangedSensor.Around(sensor, source.Ranges, manifest.Columns);
    }

    /// <summary>Opens live channels without a model.</summary>
    /// <exception cref="InputException">A channel cannot be opened.</exception>
    internal ISensor OpenChannels(ChannelsOptions channels, IReadOnlyList<string> columns, TimeSpan period) =>
        _sensors.OpenChannels(channels, columns, period);

    public void Dispose()
    {
        Topics.Dispose();
        Buses.Dispose();
    }
}
