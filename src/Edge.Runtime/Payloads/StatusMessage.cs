using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Payloads;

/// <summary>Writes the <c>status</c> topic: <c>online</c>, or <c>offline</c>, which is also the last will.</summary>
internal static class StatusMessage
{
    internal static MqttMessage Write(string device, bool isOnline) => new()
    {
        Topic = Topics.Status(device),
        Payload = isOnline ? "online"u8.ToArray() : "offline"u8.ToArray(),
        Class = MessageClass.Event,
        Retain = true,
    };
}
