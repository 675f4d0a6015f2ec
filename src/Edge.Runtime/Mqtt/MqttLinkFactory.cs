using Edge.Runtime.Configuration;
using Edge.Runtime.Mqtt.Mosquitto;
#if DEVICE_PACKAGES
using Edge.Runtime.Mqtt.MqttNet;
#endif

namespace Edge.Runtime.Mqtt;

/// <summary>The MQTT client libraries compiled in: the one place that knows whether the device packages are there.</summary>
internal static class MqttLinkFactory
{
    /// <summary>Libraries that can be asked for here, the default first.</summary>
    internal static IReadOnlyList<MqttClientLibrary> Available =>
#if DEVICE_PACKAGES
        [MqttClientLibrary.MqttNet, MqttClientLibrary.Mosquitto];
#else
        [MqttClientLibrary.Mosquitto];
#endif

    /// <exception cref="InputException">The library asked for is not compiled in, or not installed.</exception>
    internal static Func<IMqttLink> Create(MqttClientLibrary library, MqttLinkOptions options)
    {
        switch (library == MqttClientLibrary.Auto ? Available[0] : library)
        {
#if DEVICE_PACKAGES
            case MqttClientLibrary.MqttNet:
                return () => new MqttNetLink(options);
#endif
            case MqttClientLibrary.Mosquitto:
                MosquittoLink.RequireLibrary();
                return () => new MosquittoLink(options);
            default:
                throw new InputException("mqtt.client: mqttnet is not compiled into this build; say mosquitto or auto.");
        }
    }

    /// <summary>Starts a broker of our own on the loopback interface: MQTTnet's in process, else mosquitto as a child.</summary>
    internal static Task<IAsyncDisposable> StartBrokerAsync(int port, CancellationToken cancel) =>
#if DEVICE_PACKAGES
        MqttNetBroker.StartAsync(port, cancel);
#else
        MosquittoBroker.StartAsync(port, cancel);
#endif
}
