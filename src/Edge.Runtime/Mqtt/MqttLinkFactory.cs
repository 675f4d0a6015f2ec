using Edge.Runtime.Configuration;
using Edge.Runtime.Mqtt.Mosquitto;

namespace Edge.Runtime.Mqtt;

/// <summary>The MQTT client libraries of this build.</summary>
internal static class MqttLinkFactory
{
    /// <summary>Libraries that can be asked for here, the default first.</summary>
    internal static IReadOnlyList<MqttClientLibrary> Available =>
        DevicePackages.MqttNetLink is null ? [MqttClientLibrary.Mosquitto] : [MqttClientLibrary.MqttNet, MqttClientLibrary.Mosquitto];

    /// <exception cref="InputException">The library asked for is not compiled in, or not installed.</exception>
    internal static Func<IMqttLink> Create(MqttClientLibrary library, MqttLinkOptions options)
    {
        if ((library == MqttClientLibrary.Auto ? Available[0] : library) == MqttClientLibrary.Mosquitto)
        {
            MosquittoLink.RequireLibrary();
            return () => new MosquittoLink(options);
        }

        return DevicePackages.MqttNetLink is { } create
            ? () => create(options)
            : throw new InputException("mqtt.client: mqttnet is not compiled into this build; say mosquitto or auto.");
    }

    /// <summary>Starts a broker of our own on the loopback interface: MQTTnet's in process, else mosquitto as a child.</summary>
    internal static Task<IAsyncDisposable> StartBrokerAsync(int port, CancellationToken cancel) =>
        DevicePackages.MqttNetBroker is { } start ? start(port, cancel) : MosquittoBroker.StartAsync(port, cancel);
}
