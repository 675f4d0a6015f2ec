using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace Edge.Runtime.Delivery;

/// <summary>SQLite notices a broken page, not a flipped bit inside a value: its CRC-32C (RFC 3720, section 12.1) beside it does.</summary>
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

    /// <summary>Whether a checksum is that of these bytes; one of version 1 of the file, the first 8 bytes of their SHA-256, is one too.</summary>
    internal static bool Fits(ReadOnlySpan<byte> bytes, long sum) =>
        sum is >= 0 and <= uint.MaxValue ? sum == Of(bytes) : sum == BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(bytes));
}
