using Edge.Runtime.Configuration;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;

namespace Edge.Runtime.Hosting;

/// <summary>Connections to the configured broker.</summary>
internal static class BrokerLinks
{
    /// <summary>Creates the links of this device, with its last will.</summary>
    /// <param name="config">Device and broker.</param>
    /// <param name="retain">What is known of the broker; null for nothing yet.</param>
    internal static Func<IMqttLink> Create(EdgeConfig config, RetainSupport? retain = null)
    {
        MqttLinkOptions options = Options(config);
        return Create(options with { Retain = retain ?? options.Retain });
    }

    /// <summary>Creates further links, without a last will, with a client id that ends in the given name.</summary>
    /// <param name="config">Device and broker.</param>
    /// <param name="name">The end of the client id.</param>
    /// <param name="session">How long the broker keeps the session of a closed link; zero for no session.</param>
    internal static Func<IMqttLink> Create(EdgeConfig config, string name, TimeSpan session) => Create(
        Options(config) with { ClientId = $"{Id(config)}-{name}", Will = null, SessionSeconds = (uint)session.TotalSeconds });

    private static Func<IMqttLink> Create(MqttLinkOptions options) => () => new MqttNetLink(options);

    private static string Id(EdgeConfig config) => config.Mqtt.ClientId ?? $"edge-{config.Device}";

    private static MqttLinkOptions Options(EdgeConfig config) => new()
    {
        Host = config.Mqtt.Host,
        Port = config.Mqtt.Port,
        Version = config.Mqtt.Version,
        WebSocketPath = config.Mqtt.WebSocketPath,
        Retain = new RetainSupport(config.Mqtt.Retain),
        ClientId = Id(config),
        Username = config.Mqtt.Username,
        Password = config.Mqtt.Password,
        Tls = config.Mqtt.Tls,
        Will = StatusMessage.Write(config.Device, isOnline: false),
    };
}
