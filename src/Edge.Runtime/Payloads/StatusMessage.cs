using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Payloads;

/// <summary>Writes the <c>status</c> topic: <c>online</c>, or <c>offline</c>, which is also the last will.</summary>
internal static class StatusMessage
{
    internal static MqttMessage Write(string device, bool isOnline) => Of(Topics.Status(device), isOnline);

    /// <summary>Writes the same of one stream.</summary>
    internal static MqttMessage Write(string device, string stream, bool isOnline) => Of(Topics.StreamStatus(device, stream), isOnline);

    private static MqttMessage Of(string topic, bool isOnline) => new()
    {
        Topic = topic,
        Payload = isOnline ? "online"u8.ToArray() : "offline"u8.ToArray(),
        Class = MessageClass.Event,
        Retain = true,
    };
}
