using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Edge.Runtime.Storage;

/// <summary>SQLite notices a broken page, not a flipped bit inside a value: the first 8 bytes of its SHA-256 beside it do.</summary>
internal static class Checksum
{
    internal static long Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, hash);
        return BinaryPrimitives.ReadInt64LittleEndian(hash);
    }
}
