using System.Runtime.InteropServices;

namespace Edge.Runtime.Delivery;

/// <summary>What is left of the rows of a minute or an hour: the range of each channel.</summary>
/// <param name="Time">Time of the first row, in ticks of <see cref="DateTime"/>.</param>
/// <param name="Channels">Smallest, mean and largest measured value of each channel, and how many there were.</param>
/// <param name="Score">Largest anomaly score.</param>
internal readonly record struct HistorySpan(long Time, SpanChannel[] Channels, float Score);

/// <summary>Smallest, mean and largest measured value of a channel, NaN if there is none, and how many there were.</summary>
internal readonly record struct SpanChannel(float Min, double Mean, float Max, long Count)
{
    internal static SpanChannel Empty { get; } = new(float.NaN, double.NaN, float.NaN, 0);

    internal SpanChannel With(SpanChannel other)
    {
        if (other.Count == 0 || Count == 0)
        {
            return Count == 0 ? other : this;
        }

        long count = Count + other.Count;
        double mean = Mean + ((other.Mean - Mean) * ((double)other.Count / count));
        return new SpanChannel(Math.Min(Min, other.Min), mean, Math.Max(Max, other.Max), count);
    }
}

/// <summary>Spans of a stream, packed and compressed; ranges to about seven digits.</summary>
internal static class SpanBlock
{
    internal static byte[] Pack(IReadOnlyList<HistorySpan> spans)
    {
        var to = new PackedWriter();
        int channels = spans[0].Channels.Length;
        to.Whole((ulong)spans.Count);
        to.Whole((ulong)channels);
        (long last, long step) = (0, 0);
        foreach (HistorySpan span in spans)
        {
            to.Signed(unchecked(span.Time - last - step));
            (last, step) = (span.Time, unchecked(span.Time - last));
        }

        float[] values = new float[spans.Count];
        for (int channel = 0; channel < channels; channel++)
        {
            foreach (HistorySpan span in spans)
            {
                to.Whole(span.Channels[channel].Count);
            }

            for (int part = 0; part < 3; part++)
            {
                for (int i = 0; i < values.Length; i++)
                {
                    SpanChannel each = spans[i].Channels[channel];
                    values[i] = part switch { 0 => each.Min, 1 => (float)each.Mean, _ => each.Max };
                }

                RowBlock.PackPlanes(to, MemoryMarshal.AsBytes(values.AsSpan()), sizeof(float));
            }
        }

        Half[] scores = [.. spans.Select(span => (Half)span.Score)];
        RowBlock.PackPlanes(to, MemoryMarshal.AsBytes(scores.AsSpan()), 2);
        return RowBlock.Compress(to.Span);
    }

    /// <exception cref="InvalidDataException">It is damaged.</exception>
    internal static HistorySpan[] Unpack(ReadOnlySpan<byte> bytes)
    {
        var from = new PackedReader(RowBlock.Decompress(bytes));
        int count = from.Count();
        int channels = from.Count();
        if ((long)count * channels > from.Left)
        {
            throw new InvalidDataException("a block has more spans than it can");
        }

        long[] times = new long[count];
        (long last, long step) = (0, 0);
        for (int i = 0; i < count; i++)
        {
            step = unchecked(step + from.Signed());
            last = unchecked(last + step);
            times[i] = last is >= 0 && last <= DateTime.MaxValue.Ticks
                ? last
                : throw new InvalidDataException("a span has a time that cannot be");
        }

        SpanChannel[][] spans = [.. times.Select(_ => new SpanChannel[channels])];
        float[][] parts = [new float[count], new float[count], new float[count]];
        long[] counts = new long[count];
        for (int channel = 0; channel < channels; channel++)
        {
            for (int i = 0; i < count; i++)
            {
                counts[i] = from.Long();
            }

            foreach (float[] part in parts)
            {
                RowBlock.UnpackPlanes(ref from, MemoryMarshal.AsBytes(part.AsSpan()), sizeof(float));
            }

            for (int i = 0; i < count; i++)
            {
                spans[i][channel] = new SpanChannel(parts[0][i], parts[1][i], parts[2][i], counts[i]);
            }
        }

        var scores = new Half[count];
        RowBlock.UnpackPlanes(ref from, MemoryMarshal.AsBytes(scores.AsSpan()), 2);
        return [.. times.Select((time, i) => new HistorySpan(time, spans[i], (float)scores[i]))];
    }
}
