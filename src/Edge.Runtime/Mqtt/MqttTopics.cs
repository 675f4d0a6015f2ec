using Edge.Sensors.Polling;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Mqtt;

/// <summary>Connections for subscribed topics: one shared by all channels and commands, and one for each stream of rows.</summary>
/// <param name="connect">Makes links with a client id that ends in the given name, and a session of the given length.</param>
/// <param name="keepsSessions">
/// Whether the broker keeps rows while this process is away: the service's, not those of a command that only looks.
/// </param>
/// <param name="clock">Time.</param>
/// <param name="log">Connections that are lost.</param>
internal sealed class MqttTopics(
    Func<string, TimeSpan, Func<IMqttLink>> connect,
    bool keepsSessions,
    TimeProvider clock,
    ILogger log) : IDisposable
{
    private readonly Lazy<MqttSubscriber> _shared = new(() => new MqttSubscriber(connect("sensors", TimeSpan.Zero), clock, log));

    /// <summary>The shared connection, made at its first use.</summary>
    internal MqttSubscriber Shared => _shared.Value;

    /// <summary>Fills channels from the messages of a topic.</summary>
    internal IDisposable Subscribe(DeviceOptions device, IReadOnlyList<(Channel Channel, string Read, TimeSpan AgeMax)> channels)
    {
        var options = (MqttTopicOptions)device;
        var feed = new MqttTopicFeed(options, channels, clock, log);
        return Shared.Subscribe(options.Topic, message => feed.Take(message.Payload));
    }

    /// <summary>A connection over which a stream's rows arrive.</summary>
    internal MqttSubscriber OpenRows(MqttRowOptions rows) => keepsSessions
        ? new MqttSubscriber(connect($"rows-{rows.Stream}", rows.Session), clock, log)
        : new MqttSubscriber(connect($"rows-{rows.Stream}-{Environment.ProcessId}", TimeSpan.Zero), clock, log);

    public void Dispose()
    {
        if (_shared.IsValueCreated)
        {
            _shared.Value.Dispose();
        }
    }
}
