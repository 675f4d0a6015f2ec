using System.Buffers;
using System.Globalization;
using System.Text;
using MQTTnet.Packets;
using MQTTnet.Protocol;

namespace Edge.Runtime.Mqtt;

/// <summary>A message as the packet that carries it.</summary>
internal static class PublishPacket
{
    /// <summary>The packet, without an identifier.</summary>
    internal static MqttPublishPacket Of(MqttMessage message, MqttVersion version)
    {
        var packet = new MqttPublishPacket
        {
            Topic = message.Topic,
            Payload = new ReadOnlySequence<byte>(message.Payload),
            QualityOfServiceLevel = (MqttQualityOfServiceLevel)message.QualityOfService,
            Retain = message.Retain,
        };
        if (version == MqttVersion.Five)
        {
            AddProperties(packet, message);
        }

        return packet;
    }

    private static void AddProperties(MqttPublishPacket packet, MqttMessage message)
    {
        packet.ContentType = message.ContentType;
        packet.MessageExpiryInterval = message.ExpirySeconds ?? 0;
        if (message.CorrelationData.Length > 0)
        {
            packet.CorrelationData = message.CorrelationData.ToArray();
        }

        if (message.Seq > 0)
        {
            (packet.UserProperties ??= []).Add(Property("seq", message.Seq.ToString(CultureInfo.InvariantCulture)));
        }

        if (message.Model is { } model)
        {
            (packet.UserProperties ??= []).Add(Property("model", model));
        }
    }

    private static MqttUserProperty Property(string name, string value) => new(name, (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(value));
}
