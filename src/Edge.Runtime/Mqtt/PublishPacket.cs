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

    /// <summary>Bytes of the packet on the wire: MQTT 5, section 3.3.</summary>
    internal static long SizeOf(MqttPublishPacket packet, MqttVersion version)
    {
        long body = 2L + Encoding.UTF8.GetByteCount(packet.Topic) + packet.Payload.Length
            + (packet.QualityOfServiceLevel == MqttQualityOfServiceLevel.AtMostOnce ? 0 : 2);
        if (version == MqttVersion.Five)
        {
            long properties = packet.ContentType is { } type ? 3L + Encoding.UTF8.GetByteCount(type) : 0;
            properties += packet.MessageExpiryInterval > 0 ? 5 : 0;
            properties += packet.CorrelationData is { Length: > 0 } data ? 3L + data.Length : 0;
            foreach (MqttUserProperty property in packet.UserProperties ?? [])
            {
                properties += 5L + Encoding.UTF8.GetByteCount(property.Name) + property.ValueBuffer.Length;
            }

            body += properties + LengthBytes(properties);
        }

        return 1 + LengthBytes(body) + body;
    }

    private static int LengthBytes(long length) => length switch { < 1 << 7 => 1, < 1 << 14 => 2, < 1 << 21 => 3, _ => 4 };

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
