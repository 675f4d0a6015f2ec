using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace Edge.Runtime.Delivery;

/// <summary>
/// CRC-32C (RFC 3720, section 12.1) of a stored value. SQLite detects a broken page, but not a flipped bit inside a value.
/// </summary>
internal static class Checksum
{
    internal static long Of(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (byte value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return ~crc;
    }

    /// <summary>
    /// Whether a checksum matches these bytes. Version 1 of the file used the first 8 bytes of their SHA-256, which also match.
    /// </summary>
    internal static bool Fits(ReadOnlySpan<byte> bytes, long sum) =>
        sum is >= 0 and <= uint.MaxValue ? sum == Of(bytes) : sum == BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(bytes));
}
