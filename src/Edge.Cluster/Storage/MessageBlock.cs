using Edge.Runtime.Mqtt;

namespace Edge.Cluster.Storage;

/// <summary>The messages of a batch as one value of the database, so that they cost one row, not thousands.</summary>
internal static class MessageBlock
{
    private const byte Version = 1;
    private const byte IsJson = 1;
    private const byte IsRetained = 2;
    private const byte IsAcknowledged = 4;

    internal static byte[] Write(IReadOnlyList<MqttMessage> messages)
    {
        using var bytes = new MemoryStream();
        using var to = new BinaryWriter(bytes);
        to.Write(Version);
        to.Write(messages.Count);
        foreach (MqttMessage message in messages)
        {
            to.Write(message.Topic);
            to.Write((byte)(
                (message.ContentType is null ? 0 : IsJson)
                | (message.Retain ? IsRetained : 0)
                | (message.QualityOfService > 0 ? IsAcknowledged : 0)));
            to.Write(message.ExpirySeconds ?? 0);
            to.Write(message.Payload.Length);
            to.Write(message.Payload.Span);
        }

        to.Flush();
        return bytes.ToArray();
    }

    internal static List<MqttMessage> Read(byte[] block)
    {
        using var from = new BinaryReader(new MemoryStream(block));
        if (from.ReadByte() != Version)
        {
            throw new InvalidDataException("The messages of a batch are of another version of edge-cluster.");
        }

        int count = from.ReadInt32();
        var messages = new List<MqttMessage>(count);
        for (int i = 0; i < count; i++)
        {
            string topic = from.ReadString();
            byte flags = from.ReadByte();
            uint expiry = from.ReadUInt32();
            messages.Add(new MqttMessage
            {
                Topic = topic,
                ContentType = (flags & IsJson) != 0 ? "application/json" : null,
                Retain = (flags & IsRetained) != 0,
                QualityOfService = (flags & IsAcknowledged) != 0 ? 1 : 0,
                ExpirySeconds = expiry == 0 ? null : expiry,
                Payload = from.ReadBytes(from.ReadInt32()),
                Class = MessageClass.Event,
            });
        }

        return messages;
    }
}
