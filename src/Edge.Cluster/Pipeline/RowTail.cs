using System.Buffers.Binary;
using Edge.Streams;

namespace Edge.Cluster.Pipeline;

/// <summary>
/// The rows of a stream since its state was stored. They are a tenth of the state: most batches store them alone, and a stream that is
/// loaded steps them again. A row takes 16 bytes and 9 per channel: time, missed ticks, qualities, values, little-endian.
/// </summary>
/// <param name="channels">Channels of a row.</param>
internal sealed class RowTail(int channels)
{
    private byte[] _bytes = [];
    private int _length;

    private int RowBytes => (2 * sizeof(long)) + (channels * (1 + sizeof(double)));

    /// <summary>Number of rows.</summary>
    internal int Count => _length / RowBytes;

    internal void Clear() => _length = 0;

    /// <summary>Adds a row as it came, before it is stepped.</summary>
    internal void Add(Reading row)
    {
        if (_bytes.Length < _length + RowBytes)
        {
            Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, _length + RowBytes));
        }

        Span<byte> to = _bytes.AsSpan(_length, RowBytes);
        BinaryPrimitives.WriteInt64LittleEndian(to, row.Time.Ticks);
        BinaryPrimitives.WriteInt64LittleEndian(to[sizeof(long)..], row.SkippedTicks);
        to = to[(2 * sizeof(long))..];
        for (int i = 0; i < channels; i++)
        {
            to[i] = (byte)row.Quality[i];
            BinaryPrimitives.WriteDoubleLittleEndian(to[(channels + (i * sizeof(double)))..], row.Values[i]);
        }

        _length += RowBytes;
    }

    /// <summary>What is to be stored.</summary>
    internal byte[] ToArray() => _bytes[.._length];

    /// <summary>Continues from what was stored.</summary>
    /// <returns>False if it is not of rows with so many channels.</returns>
    internal bool TryLoad(byte[] stored)
    {
        bool fits = stored.Length % RowBytes == 0;
        (_bytes, _length) = fits ? (stored, stored.Length) : ([], 0);
        return fits;
    }

    /// <summary>The rows, one object filled again for each.</summary>
    internal IEnumerable<Reading> Rows()
    {
        var row = new Reading(channels);
        for (int at = 0; at < _length; at += RowBytes)
        {
            Read(_bytes.AsSpan(at, RowBytes), row);
            yield return row;
        }
    }

    private void Read(ReadOnlySpan<byte> from, Reading row)
    {
        row.Time = new DateTime(BinaryPrimitives.ReadInt64LittleEndian(from), DateTimeKind.Utc);
        row.SkippedTicks = BinaryPrimitives.ReadInt64LittleEndian(from[sizeof(long)..]);
        from = from[(2 * sizeof(long))..];
        for (int i = 0; i < channels; i++)
        {
            row.Quality[i] = (Quality)from[i];
            row.Values[i] = BinaryPrimitives.ReadDoubleLittleEndian(from[(channels + (i * sizeof(double)))..]);
            row.Faults[i] = null;
        }
    }
}
