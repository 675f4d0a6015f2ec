using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace Edge.Runtime.Delivery;

/// <summary>
/// CRC-32C (RFC 3720, section 12.1) of a stored record. SQLite detects a broken page, but not a flipped bit inside a value. One sum
/// covers all fields of a record; each field comes with its length, so that no byte can move from one to the next unseen.
/// </summary>
internal struct Checksum
{
    private const int OnStack = 512;

    private uint _crc = uint.MaxValue;

    public Checksum()
    {
    }

    /// <summary>The sum of the fields so far, 0..2^32-1.</summary>
    internal readonly long Sum => ~_crc;

    /// <summary>The sum of some bytes alone.</summary>
    internal static long Of(ReadOnlySpan<byte> bytes) => (uint)~Append(uint.MaxValue, bytes);

    /// <summary>
    /// Whether a checksum of version 2 of the file matches these bytes. Version 1 used the first 8 bytes of their SHA-256, which also
    /// match.
    /// </summary>
    internal static bool Fits(ReadOnlySpan<byte> bytes, long sum) =>
        sum is >= 0 and <= uint.MaxValue ? sum == Of(bytes) : sum == BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(bytes));

    internal void Add(long value) => _crc = BitOperations.Crc32C(_crc, (ulong)value);

    internal void Add(ReadOnlySpan<byte> bytes)
    {
        Add(bytes.Length);
        _crc = Append(_crc, bytes);
    }

    /// <param name="text">Null for NULL, which differs from an empty text.</param>
    internal void Add(string? text)
    {
        if (text is null)
        {
            Add(-1);
            return;
        }

        int most = Encoding.UTF8.GetMaxByteCount(text.Length);
        Span<byte> utf8 = most <= OnStack ? stackalloc byte[OnStack] : new byte[most];
        Add(utf8[..Encoding.UTF8.GetBytes(text, utf8)]);
    }

    private static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (byte value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return crc;
    }
}
