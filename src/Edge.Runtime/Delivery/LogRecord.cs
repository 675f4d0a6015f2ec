using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Delivery;

/// <summary>
/// One commit of one stream in the <see cref="RowLog"/>: its rows, its events and its messages, and which messages the broker has
/// acknowledged. One checksum covers all of it.
/// </summary>
/// <param name="Stream">Name of the stream.</param>
/// <param name="Rows">The rows. The names of the channels are those of an earlier record of the file if this one has none.</param>
/// <param name="Messages">The messages with their ids.</param>
/// <param name="Created">When it was stored, as the <see cref="AgeClock"/> counts, s.</param>
/// <param name="DeliveredUpTo">Every message up to this id was acknowledged.</param>
internal sealed record LogRecord(
    string Stream, CommittedRows Rows, IReadOnlyList<MqttMessage> Messages, long Created, long DeliveredUpTo)
{
    [Flags]
    private enum RecordFlags : byte
    {
        IsStateChanged = 1,
        HasColumns = 2,
    }

    [Flags]
    private enum MessageFlags : byte
    {
        ClassMask = 3,
        IsQualityOfService1 = 4,
        IsRetained = 8,
        HasExpiry = 16,
    }

    /// <summary>Writes the record.</summary>
    /// <param name="to">Where.</param>
    /// <param name="withColumns">Whether the names of the channels are written.</param>
    internal void Write(PackedWriter to, bool withColumns)
    {
        to.Text(Stream);
        to.Byte((byte)((Rows.IsStateChanged ? RecordFlags.IsStateChanged : 0) | (withColumns ? RecordFlags.HasColumns : 0)));
        if (withColumns)
        {
            to.Whole((ulong)Rows.Columns.Count);
            foreach (string column in Rows.Columns)
            {
                to.Text(column);
            }
        }

        to.Whole(Created);
        to.Whole(DeliveredUpTo);
        to.Whole((ulong)Rows.Count);
        if (Rows.Count > 0)
        {
            to.Whole(Rows.FirstSeq);
            to.Bytes(Rows.Rows);
        }

        to.Whole((ulong)Rows.EventCount);
        if (Rows.EventCount > 0)
        {
            to.Bytes(Rows.Events);
        }

        to.Whole((ulong)Messages.Count);
        if (Messages.Count > 0)
        {
            to.Whole(Messages[0].Id);
            for (int i = 0; i < Messages.Count; i++)
            {
                Write(to, Messages[i], i > 0 ? Messages[i - 1] : null);
            }
        }
    }

    /// <summary>Reads a record.</summary>
    /// <param name="bytes">The record.</param>
    /// <param name="columns">Names of the channels by stream, of the records before.</param>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    internal static LogRecord Read(ReadOnlySpan<byte> bytes, Dictionary<string, IReadOnlyList<string>> columns)
    {
        var from = new PackedReader(bytes);
        string stream = from.Text() ?? "";
        var flags = (RecordFlags)from.Byte();
        if (flags.HasFlag(RecordFlags.HasColumns))
        {
            string[] names = new string[from.Count()];
            for (int i = 0; i < names.Length; i++)
            {
                names[i] = from.Text() ?? "";
            }

            columns[stream] = names;
        }

        long created = from.Long();
        long delivered = from.Long();
        int count = from.Count();
        long firstSeq = count > 0 ? from.Long() : 0;
        byte[] rows = count > 0 ? from.Bytes().ToArray() : [];
        int eventCount = from.Count();
        byte[] events = eventCount > 0 ? from.Bytes().ToArray() : [];
        var messages = new MqttMessage[from.Count()];
        long id = messages.Length > 0 ? from.Long() : 0;
        for (int i = 0; i < messages.Length; i++)
        {
            messages[i] = ReadMessage(ref from, id + i, i > 0 ? messages[i - 1] : null);
        }

        return new LogRecord(
            stream,
            new CommittedRows(
                columns.GetValueOrDefault(stream) ?? [],
                count,
                firstSeq,
                rows,
                eventCount,
                events,
                flags.HasFlag(RecordFlags.IsStateChanged)),
            messages,
            created,
            delivered);
    }

    /// <summary>Unpacks the rows; none if the names of the channels are unknown.</summary>
    /// <exception cref="InvalidDataException">They are damaged.</exception>
    internal List<HistoryRow> UnpackRows()
    {
        var rows = new List<HistoryRow>(Rows.Count);
        if (Rows.Columns.Count > 0)
        {
            var from = new PackedReader(Rows.Rows);
            TickRows.Read(ref from, Rows.Count, Rows.FirstSeq, Rows.Columns.Count, rows);
        }

        return rows;
    }

    /// <summary>Unpacks the events.</summary>
    /// <exception cref="InvalidDataException">They are damaged.</exception>
    internal List<HistoryEvent> UnpackEvents()
    {
        var events = new List<HistoryEvent>(Rows.EventCount);
        var from = new PackedReader(Rows.Events);
        for (int i = 0; i < Rows.EventCount; i++)
        {
            events.Add(TickRows.ReadEvent(ref from));
        }

        return events;
    }

    // The messages of a commit share most of what is beside the payload: a text that the message before has too is written as its place.
    private static void Write(PackedWriter to, MqttMessage message, MqttMessage? before)
    {
        MessageFlags flags = (MessageFlags)message.Class
            | (message.QualityOfService == 1 ? MessageFlags.IsQualityOfService1 : 0)
            | (message.Retain ? MessageFlags.IsRetained : 0)
            | (message.ExpirySeconds is not null ? MessageFlags.HasExpiry : 0);
        to.Byte((byte)flags);
        if (message.ExpirySeconds is { } expiry)
        {
            to.Whole((ulong)expiry);
        }

        WriteText(to, message.Topic, before?.Topic);
        WriteText(to, message.ContentType, before?.ContentType);
        WriteText(to, message.Model, before?.Model);
        to.Whole(message.Seq);
        to.Bytes(message.Payload.Span);
    }

    private static MqttMessage ReadMessage(ref PackedReader from, long id, MqttMessage? before)
    {
        var flags = (MessageFlags)from.Byte();
        uint? expiry = flags.HasFlag(MessageFlags.HasExpiry) ? checked((uint)Math.Min(uint.MaxValue, from.Whole())) : null;
        return new MqttMessage
        {
            Id = id,
            Class = (MessageClass)(flags & MessageFlags.ClassMask) is var kind && kind <= MessageClass.Event
                ? kind
                : throw new InvalidDataException("a message has an unknown class"),
            QualityOfService = flags.HasFlag(MessageFlags.IsQualityOfService1) ? 1 : 0,
            Retain = flags.HasFlag(MessageFlags.IsRetained),
            ExpirySeconds = expiry,
            Topic = ReadText(ref from, before?.Topic) ?? "",
            ContentType = ReadText(ref from, before?.ContentType),
            Model = ReadText(ref from, before?.Model),
            Seq = from.Long(),
            Payload = from.Bytes().ToArray(),
        };
    }

    // How much of the text before it begins with, and the rest.
    private static void WriteText(PackedWriter to, string? text, string? before)
    {
        int same = text is null || before is null ? 0 : Math.Min(text.AsSpan().CommonPrefixLength(before), 255);

        // Not between the two halves of a character.
        same = same > 0 && char.IsHighSurrogate(before![same - 1]) ? same - 1 : same;
        to.Byte((byte)same);
        to.Text(text?[same..]);
    }

    private static string? ReadText(ref PackedReader from, string? before)
    {
        int same = from.Byte();
        string? rest = from.Text();
        return same == 0 ? rest
            : rest is not null && before is not null && same <= before.Length ? string.Concat(before.AsSpan(0, same), rest)
            : throw new InvalidDataException("a text continues one that is not there");
    }
}
