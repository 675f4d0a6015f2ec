using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Limits;

namespace Edge.Runtime.Delivery;

/// <summary>The rows of one commit, as <see cref="TickRows"/> packs them.</summary>
/// <param name="Columns">Names of the channels.</param>
/// <param name="Count">Rows; 0 for a commit of messages alone.</param>
/// <param name="FirstSeq">Number of the first row's tick.</param>
/// <param name="Rows">The rows.</param>
/// <param name="EventCount">Events.</param>
/// <param name="Events">The events.</param>
/// <param name="IsStateChanged">
/// Whether the state of the stream has changed, or may have, by something other than rows: a start, a command, another model. Rows from
/// here on cannot be stepped again from a snapshot before.
/// </param>
internal sealed record CommittedRows(
    IReadOnlyList<string> Columns, int Count, long FirstSeq, byte[] Rows, int EventCount, byte[] Events, bool IsStateChanged)
{
    /// <summary>Number of the last row's tick; 0 for none.</summary>
    internal long LastSeq => Count == 0 ? 0 : FirstSeq + Count - 1;
}

/// <summary>
/// The rows of a stream since its last commit, as they are stored: each as its sensor gave it, with the score and the events of its tick.
/// Not thread-safe; adding a row allocates nothing once the buffers have grown, unless it has an event.
/// </summary>
/// <remarks>
/// A row: flags; the difference of its time to that of the row before, in ticks of 100 ns (the first: the time itself); ticks that were
/// skipped and the step of the clock, if there are any; the qualities, four bits each, if one is not good; each measured value
/// (<see cref="PackedNumber"/>); the score as a half. The numbers of the ticks follow one another from that of the first row on.
/// </remarks>
internal sealed class TickRows
{
    // Of the kind of an event: its begin, its channel and its severity follow.
    private const byte HasDetails = 0x80;

    private readonly PackedWriter _rows = new();
    private readonly PackedWriter _events = new();
    private DateTime _lastTime;

    /// <param name="columns">Names of the channels.</param>
    internal TickRows(IReadOnlyList<string> columns) => Columns = columns;

    [Flags]
    private enum RowFlags : byte
    {
        None = 0,
        ClockIsUnset = 1,
        HasSkippedTicks = 2,
        HasClockJump = 4,
        HasQualities = 8,
    }

    /// <summary>Names of the channels.</summary>
    internal IReadOnlyList<string> Columns { get; }

    /// <summary>Rows.</summary>
    internal int Count { get; private set; }

    /// <summary>Number of the first row's tick.</summary>
    internal long FirstSeq { get; private set; }

    /// <summary>Whether the state of the stream has changed, or may have, by something other than these rows.</summary>
    internal bool IsStateChanged { get; set; }

    /// <summary>Number of events.</summary>
    internal int EventCount { get; private set; }

    /// <summary>A copy of the rows.</summary>
    internal CommittedRows ToCommitted() =>
        new(Columns, Count, FirstSeq, _rows.ToArray(), EventCount, _events.ToArray(), IsStateChanged);

    /// <summary>Removes the rows.</summary>
    internal void Clear()
    {
        _rows.Clear();
        _events.Clear();
        (Count, EventCount, FirstSeq, IsStateChanged, _lastTime) = (0, 0, 0, false, default);
    }

    /// <summary>Adds a row before it is stepped, because a step fills in what is missing.</summary>
    internal void Add(Reading reading)
    {
        bool isGood = true;
        foreach (Quality quality in reading.Quality)
        {
            isGood &= quality == Quality.Good;
        }

        RowFlags flags = (reading.ClockIsUnset ? RowFlags.ClockIsUnset : 0)
            | (reading.SkippedTicks != 0 ? RowFlags.HasSkippedTicks : 0)
            | (reading.ClockJump != TimeSpan.Zero ? RowFlags.HasClockJump : 0)
            | (isGood ? 0 : RowFlags.HasQualities);
        _rows.Byte((byte)flags);
        _rows.Signed(reading.Time.Ticks - _lastTime.Ticks);
        _lastTime = reading.Time;
        if (flags.HasFlag(RowFlags.HasSkippedTicks))
        {
            _rows.Signed(reading.SkippedTicks);
        }

        if (flags.HasFlag(RowFlags.HasClockJump))
        {
            _rows.Signed(reading.ClockJump.Ticks);
        }

        if (!isGood)
        {
            for (int i = 0; i < reading.Quality.Length; i += 2)
            {
                int next = i + 1 < reading.Quality.Length ? (byte)reading.Quality[i + 1] : 0;
                _rows.Byte((byte)((byte)reading.Quality[i] | (next << 4)));
            }
        }

        for (int i = 0; i < reading.Values.Length; i++)
        {
            if (reading.Quality[i].IsMeasured())
            {
                PackedNumber.Write(_rows, reading.Values[i]);
            }
        }
    }

    /// <summary>Completes the row with what its tick produced.</summary>
    internal void Complete(StreamTick tick, double score)
    {
        Complete(tick.Seq, score);
        if (tick.Anomaly is { } anomaly && anomaly.Change != AnomalyChange.Updated)
        {
            Add(HistoryEvent.Of(tick, anomaly, Columns));
        }

        for (int i = 0; i < tick.Limits.Count; i++)
        {
            if (tick.Limits[i] is { Change: not LimitChange.Updated } limit)
            {
                Add(HistoryEvent.Of(tick, limit, Columns));
            }
        }
    }

    /// <summary>Adds an event.</summary>
    internal void Add(HistoryEvent each)
    {
        EventCount++;
        _events.Whole(each.Seq);
        _events.Whole(each.Time.Ticks);
        _events.Text(each.Id);
        _events.Byte((byte)((byte)each.Kind | HasDetails));
        _events.Text(each.Change);
        _events.Double(each.Score);
        _events.Text(each.Sentence);
        _events.Whole(each.Started.Ticks);
        _events.Text(each.Channel ?? "");
        _events.Text(each.Severity);
    }

    /// <summary>Completes the row of a tick without events.</summary>
    internal void Complete(long seq, double score)
    {
        _rows.Half((Half)score);
        FirstSeq = Count++ == 0 ? seq : FirstSeq;
    }

    /// <summary>Reads rows back.</summary>
    /// <param name="from">Where they begin.</param>
    /// <param name="count">How many.</param>
    /// <param name="firstSeq">Number of the first.</param>
    /// <param name="channels">Channels of each.</param>
    /// <param name="into">Takes the rows.</param>
    /// <exception cref="InvalidDataException">They are damaged.</exception>
    internal static void Read(ref PackedReader from, int count, long firstSeq, int channels, List<HistoryRow> into)
    {
        long time = 0;
        for (int row = 0; row < count; row++)
        {
            var flags = (RowFlags)from.Byte();
            time += from.Signed();
            if (time < 0 || time > DateTime.MaxValue.Ticks)
            {
                throw new InvalidDataException("a row has a time that cannot be");
            }

            long skipped = flags.HasFlag(RowFlags.HasSkippedTicks) ? from.Signed() : 0;
            long jump = flags.HasFlag(RowFlags.HasClockJump) ? from.Signed() : 0;
            var quality = new Quality[channels];
            if (flags.HasFlag(RowFlags.HasQualities))
            {
                ReadQuality(ref from, quality);
            }

            double[] values = new double[channels];
            for (int i = 0; i < channels; i++)
            {
                values[i] = quality[i].IsMeasured() ? PackedNumber.Read(ref from) : double.NaN;
            }

            into.Add(
                new HistoryRow(
                    firstSeq + row,
                    new DateTime(time, DateTimeKind.Utc),
                    values,
                    quality,
                    (float)from.Half(),
                    skipped,
                    new TimeSpan(jump),
                    flags.HasFlag(RowFlags.ClockIsUnset)));
        }
    }

    /// <summary>Reads an event back.</summary>
    internal static HistoryEvent ReadEvent(ref PackedReader from)
    {
        long seq = from.Long();
        DateTime time = ReadTime(ref from);
        string id = from.Text() ?? "";
        byte kind = from.Byte();
        var each = new HistoryEvent(
            seq,
            time,
            id,
            (HistoryEventKind)(kind & ~HasDetails),
            from.Text() ?? "",
            from.Double(),
            from.Text() ?? "");

        // Earlier versions wrote none.
        return (kind & HasDetails) == 0
            ? each
            : each with { Started = ReadTime(ref from), Channel = from.Text() ?? "", Severity = from.Text() ?? "" };
    }

    private static DateTime ReadTime(ref PackedReader from) =>
        from.Long() is var ticks && ticks >= 0 && ticks <= DateTime.MaxValue.Ticks
            ? new DateTime(ticks, DateTimeKind.Utc)
            : throw new InvalidDataException("an event has a time that cannot be");

    private static void ReadQuality(ref PackedReader from, Quality[] quality)
    {
        for (int i = 0; i < quality.Length; i += 2)
        {
            byte both = from.Byte();
            quality[i] = (Quality)(both & 0xF);
            if (i + 1 < quality.Length)
            {
                quality[i + 1] = (Quality)(both >> 4);
            }
        }
    }
}
