using System.Buffers.Binary;
using System.Text;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Appends values to a buffer that grows and is used again. Whole numbers are varints: 7 bits per byte, the lowest first, the high bit
/// set but in the last byte.
/// </summary>
internal sealed class PackedWriter
{
    // Longest varint of 64 bits.
    private const int VarintMaxBytes = 10;

    private byte[] _bytes = new byte[256];

    /// <summary>Bytes so far.</summary>
    internal int Length { get; private set; }

    internal ReadOnlySpan<byte> Span => _bytes.AsSpan(0, Length);

    internal void Clear() => Length = 0;

    internal byte[] ToArray() => Span.ToArray();

    internal void Byte(byte value) => Room(1)[0] = value;

    internal void Whole(ulong value)
    {
        Span<byte> into = Room(VarintMaxBytes);
        int count = 0;
        while (value >= 0x80)
        {
            into[count++] = (byte)(value | 0x80);
            value >>= 7;
        }

        into[count++] = (byte)value;
        Length -= VarintMaxBytes - count;
    }

    internal void Whole(long value) => Whole((ulong)value);

    /// <summary>A number of either sign, small if it is near 0 (zigzag).</summary>
    internal void Signed(long value) => Whole((ulong)((value << 1) ^ (value >> 63)));

    internal void Single(float value) => BinaryPrimitives.WriteSingleLittleEndian(Room(sizeof(float)), value);

    internal void Double(double value) => BinaryPrimitives.WriteDoubleLittleEndian(Room(sizeof(double)), value);

    internal void Half(Half value) => BinaryPrimitives.WriteHalfLittleEndian(Room(2), value);

    internal void UInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Room(sizeof(uint)), value);

    internal void Raw(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Room(bytes.Length));

    /// <summary>Bytes with their length.</summary>
    internal void Bytes(ReadOnlySpan<byte> bytes)
    {
        Whole((ulong)bytes.Length);
        Raw(bytes);
    }

    /// <summary>A text as UTF-8 with its length; null differs from an empty one.</summary>
    internal void Text(string? text)
    {
        if (text is null)
        {
            Whole(0UL);
            return;
        }

        int count = Encoding.UTF8.GetByteCount(text);
        Whole((ulong)count + 1);
        Encoding.UTF8.GetBytes(text, Room(count));
    }

    /// <summary>Overwrites four bytes.</summary>
    internal void SetUInt32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(at), value);

    private Span<byte> Room(int count)
    {
        if (_bytes.Length - Length < count)
        {
            Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, Length + count));
        }

        Length += count;
        return _bytes.AsSpan(Length - count, count);
    }
}

/// <summary>Reads what <see cref="PackedWriter"/> wrote. Each method throws <see cref="InvalidDataException"/> for damaged bytes.</summary>
internal ref struct PackedReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>Bytes read so far.</summary>
    internal int At { get; private set; }

    internal readonly int Left => _bytes.Length - At;

    internal byte Byte() => Take(1)[0];

    internal ulong Whole()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte part = Byte();
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
            {
                return value;
            }
        }

        throw new InvalidDataException("a number has more than 64 bits");
    }

    internal long Long() => (long)Whole();

    /// <summary>A count of things that take at least so many bytes each, so that damage cannot ask for more memory than the file has.</summary>
    internal int Count(int bytesEach = 1)
    {
        ulong count = Whole();
        return count <= (ulong)(Left / bytesEach) ? (int)count : throw new InvalidDataException("a count is larger than the record");
    }

    internal long Signed()
    {
        ulong value = Whole();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    internal float Single() => BinaryPrimitives.ReadSingleLittleEndian(Take(sizeof(float)));

    internal double Double() => BinaryPrimitives.ReadDoubleLittleEndian(Take(sizeof(double)));

    internal Half Half() => BinaryPrimitives.ReadHalfLittleEndian(Take(2));

    internal uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));

    internal ReadOnlySpan<byte> Raw(int count) => Take(count);

    internal ReadOnlySpan<byte> Bytes() => Take(Count());

    internal string? Text()
    {
        ulong length = Whole();
        return length == 0 ? null
            : length - 1 <= (ulong)Left ? Encoding.UTF8.GetString(Take((int)(length - 1)))
            : throw new InvalidDataException("a text is longer than the record");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count < 0 || count > Left)
        {
            throw new InvalidDataException("the record is cut short");
        }

        At += count;
        return _bytes.Slice(At - count, count);
    }
}
