using System.IO.Compression;
using System.Runtime.InteropServices;
using Edge.Streams;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Up to <see cref="RowsMax"/> rows of a stream, column by column and compressed. A channel whose values all have few decimals is kept as
/// differences of whole numbers, exactly; any other one as floats, that is to about seven digits.
/// </summary>
/// <remarks>
/// Numbers of the ticks and times as differences of differences; flags of the rows; per channel its qualities if one is not good, and its
/// measured values; the scores as halves. Floats and halves are split into planes of their first, second, ... bytes, which Brotli
/// compresses better.
/// </remarks>
internal sealed class RowBlock
{
    /// <summary>Most rows of a block.</summary>
    internal const int RowsMax = 4096;

    private const byte FloatValues = 0xFF;
    private const int Quality4 = 4;
    private const int Window = 18;

    // A row takes at most this in a block: damage cannot ask for more memory.
    private const int RowMaxBytes = 32;

    private RowBlock(int rows, int channels)
    {
        Seqs = new long[rows];
        Times = new long[rows];
        Skipped = new long[rows];
        Jumps = new long[rows];
        IsUnset = new bool[rows];
        Scores = new float[rows];
        Values = [.. Enumerable.Range(0, channels).Select(_ => new double[rows])];
        Qualities = [.. Enumerable.Range(0, channels).Select(_ => new Quality[rows])];
    }

    internal int Count => Seqs.Length;

    internal long[] Seqs { get; }

    /// <summary>Times of the rows, in ticks of <see cref="DateTime"/>.</summary>
    internal long[] Times { get; }

    /// <summary>Values by channel and row; NaN where none was measured.</summary>
    internal double[][] Values { get; }

    internal float[] Scores { get; }

    private long[] Skipped { get; }

    private long[] Jumps { get; }

    private bool[] IsUnset { get; }

    private Quality[][] Qualities { get; }

    /// <summary>Packs rows of equal channels.</summary>
    internal static byte[] Pack(IReadOnlyList<HistoryRow> rows)
    {
        var to = new PackedWriter();
        int channels = rows[0].Values.Length;
        to.Whole((ulong)rows.Count);
        to.Whole((ulong)channels);
        PackDifferences(to, rows, row => row.Seq);
        PackDifferences(to, rows, row => row.Time.Ticks);
        foreach (HistoryRow row in rows)
        {
            to.Byte((byte)((row.ClockIsUnset ? 1 : 0) | (row.SkippedTicks != 0 ? 2 : 0) | (row.ClockJump != TimeSpan.Zero ? 4 : 0)));
        }

        foreach (HistoryRow row in rows.Where(row => row.SkippedTicks != 0))
        {
            to.Signed(row.SkippedTicks);
        }

        foreach (HistoryRow row in rows.Where(row => row.ClockJump != TimeSpan.Zero))
        {
            to.Signed(row.ClockJump.Ticks);
        }

        for (int channel = 0; channel < channels; channel++)
        {
            PackChannel(to, rows, channel);
        }

        Span<Half> scores = new Half[rows.Count];
        for (int i = 0; i < scores.Length; i++)
        {
            scores[i] = (Half)rows[i].Score;
        }

        PackPlanes(to, MemoryMarshal.AsBytes(scores), 2);
        return Compress(to.Span);
    }

    /// <summary>Unpacks a block.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    internal static RowBlock Unpack(ReadOnlySpan<byte> bytes)
    {
        var from = new PackedReader(Decompress(bytes));
        int count = from.Count();
        int channels = from.Count();
        if (count > RowsMax || (long)count * channels > from.Left * 8L)
        {
            throw new InvalidDataException("a block has more rows than it can");
        }

        var block = new RowBlock(count, channels);
        UnpackDifferences(ref from, block.Seqs);
        UnpackDifferences(ref from, block.Times);
        ReadOnlySpan<byte> flags = from.Raw(count);
        for (int i = 0; i < count; i++)
        {
            block.IsUnset[i] = (flags[i] & 1) != 0;
            block.Skipped[i] = (flags[i] & 2) != 0 ? from.Signed() : 0;
        }

        for (int i = 0; i < count; i++)
        {
            block.Jumps[i] = (flags[i] & 4) != 0 ? from.Signed() : 0;
            if (block.Times[i] is < 0 || block.Times[i] > DateTime.MaxValue.Ticks)
            {
                throw new InvalidDataException("a row has a time that cannot be");
            }
        }

        for (int channel = 0; channel < channels; channel++)
        {
            UnpackChannel(ref from, block.Values[channel], block.Qualities[channel]);
        }

        var scores = new Half[count];
        UnpackPlanes(ref from, MemoryMarshal.AsBytes(scores.AsSpan()), 2);
        for (int i = 0; i < count; i++)
        {
            block.Scores[i] = (float)scores[i];
        }

        return block;
    }

    /// <summary>One of the rows.</summary>
    internal HistoryRow Row(int at) => new(
        Seqs[at],
        new DateTime(Times[at], DateTimeKind.Utc),
        [.. Values.Select(values => values[at])],
        [.. Qualities.Select(qualities => qualities[at])],
        Scores[at],
        Skipped[at],
        new TimeSpan(Jumps[at]),
        IsUnset[at]);

    /// <summary>Compresses bytes; their length comes first.</summary>
    internal static byte[] Compress(ReadOnlySpan<byte> bytes)
    {
        var to = new PackedWriter();
        to.Whole((ulong)bytes.Length);
        byte[] packed = new byte[BrotliEncoder.GetMaxCompressedLength(bytes.Length)];
        if (!BrotliEncoder.TryCompress(bytes, packed, out int written, Quality4, Window))
        {
            throw new InvalidOperationException("A block cannot be compressed.");
        }

        to.Raw(packed.AsSpan(0, written));
        return to.ToArray();
    }

    /// <exception cref="InvalidDataException">The bytes are damaged.</exception>
    internal static byte[] Decompress(ReadOnlySpan<byte> packed)
    {
        var from = new PackedReader(packed);
        ulong length = from.Whole();
        if (length > RowsMax * 256UL * RowMaxBytes)
        {
            throw new InvalidDataException("a block is too large");
        }

        byte[] bytes = new byte[length];
        return BrotliDecoder.TryDecompress(from.Raw(from.Left), bytes, out int written) && written == bytes.Length
            ? bytes
            : throw new InvalidDataException("a block cannot be decompressed");
    }

    /// <summary>Writes the first bytes of all values, then the second ones, and so on.</summary>
    internal static void PackPlanes(PackedWriter to, ReadOnlySpan<byte> values, int size)
    {
        for (int plane = 0; plane < size; plane++)
        {
            for (int at = plane; at < values.Length; at += size)
            {
                to.Byte(values[at]);
            }
        }
    }

    /// <exception cref="InvalidDataException">The bytes are damaged.</exception>
    internal static void UnpackPlanes(ref PackedReader from, Span<byte> values, int size)
    {
        ReadOnlySpan<byte> planes = from.Raw(values.Length);
        int count = values.Length / size;
        for (int plane = 0; plane < size; plane++)
        {
            ReadOnlySpan<byte> bytes = planes.Slice(plane * count, count);
            for (int i = 0; i < count; i++)
            {
                values[(i * size) + plane] = bytes[i];
            }
        }
    }

    private static void PackDifferences(PackedWriter to, IReadOnlyList<HistoryRow> rows, Func<HistoryRow, long> value)
    {
        (long last, long step) = (0, 0);
        foreach (HistoryRow row in rows)
        {
            long difference = unchecked(value(row) - last);
            to.Signed(unchecked(difference - step));
            (last, step) = (value(row), difference);
        }
    }

    private static void UnpackDifferences(ref PackedReader from, long[] into)
    {
        (long last, long step) = (0, 0);
        for (int i = 0; i < into.Length; i++)
        {
            step = unchecked(step + from.Signed());
            last = unchecked(last + step);
            into[i] = last;
        }
    }

    private static void PackChannel(PackedWriter to, IReadOnlyList<HistoryRow> rows, int channel)
    {
        bool isGood = rows.All(row => row.Quality[channel] == Quality.Good);
        to.Byte(isGood ? (byte)0 : (byte)1);
        if (!isGood)
        {
            foreach (HistoryRow row in rows)
            {
                to.Byte((byte)row.Quality[channel]);
            }
        }

        double[] values = [.. rows.Where(row => row.Quality[channel].IsMeasured()).Select(row => row.Values[channel])];
        int decimals = CommonDecimals(values);
        if (decimals >= 0)
        {
            to.Byte((byte)decimals);
            long last = 0;
            foreach (double value in values)
            {
                long whole = PackedNumber.ToWhole(value, decimals);
                to.Signed(whole - last);
                last = whole;
            }
        }
        else
        {
            to.Byte(FloatValues);
            float[] floats = [.. values.Select(value => (float)value)];
            PackPlanes(to, MemoryMarshal.AsBytes(floats.AsSpan()), sizeof(float));
        }
    }

    private static void UnpackChannel(ref PackedReader from, double[] values, Quality[] qualities)
    {
        if (from.Byte() != 0)
        {
            ReadOnlySpan<byte> bytes = from.Raw(qualities.Length);
            for (int i = 0; i < bytes.Length; i++)
            {
                qualities[i] = (Quality)bytes[i];
            }
        }

        byte kind = from.Byte();
        if (kind == FloatValues)
        {
            float[] floats = new float[qualities.Count(quality => quality.IsMeasured())];
            UnpackPlanes(ref from, MemoryMarshal.AsBytes(floats.AsSpan()), sizeof(float));
            for (int i = 0, at = 0; i < values.Length; i++)
            {
                values[i] = qualities[i].IsMeasured() ? floats[at++] : double.NaN;
            }

            return;
        }

        if (kind > PackedNumber.DecimalsMax)
        {
            throw new InvalidDataException("a channel has an unknown form");
        }

        long last = 0;
        for (int i = 0; i < values.Length; i++)
        {
            if (qualities[i].IsMeasured())
            {
                last = unchecked(last + from.Signed());
                values[i] = PackedNumber.FromWhole(last, kind);
            }
            else
            {
                values[i] = double.NaN;
            }
        }
    }

    // Decimals with which all values are whole numbers; -1 if there are none.
    private static int CommonDecimals(double[] values)
    {
        int most = 0;
        foreach (double value in values)
        {
            int decimals = PackedNumber.Decimals(value, PackedNumber.WholeMaxExact).Decimals;
            if (decimals < 0)
            {
                return -1;
            }

            most = Math.Max(most, decimals);
        }

        return Array.TrueForAll(values, value => PackedNumber.FromWhole(PackedNumber.ToWhole(value, most), most) == value) ? most : -1;
    }
}
