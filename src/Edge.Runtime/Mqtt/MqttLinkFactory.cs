using Edge.Inference;
using Edge.Runtime.Mqtt.Mosquitto;
using Edge.Runtime.Mqtt.MqttNet;

namespace Edge.Runtime.Mqtt;

/// <summary>The MQTT client libraries of this build.</summary>
internal static class MqttLinkFactory
{
    /// <summary>Libraries that can be asked for here, the default first.</summary>
    internal static IReadOnlyList<MqttClientLibrary> Available =>
        [MqttClientLibrary.MqttNet, MqttClientLibrary.Mosquitto];

    /// <exception cref="InputException">The library asked for is not compiled in, or not installed.</exception>
    internal static Func<IMqttLink> Create(MqttClientLibrary library, MqttLinkOptions options)
    {
        if ((library == MqttClientLibrary.Auto ? Available[0] : library) == MqttClientLibrary.Mosquitto)
        {
            MosquittoLink.RequireLibrary();
            return () => new MosquittoLink(options);
        }

        return () => new MqttNetLink(options);
    }
}
