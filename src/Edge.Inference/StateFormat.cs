using System.Buffers.Binary;

namespace Edge.Inference;

/// <summary>What kind of numbers a saved state holds.</summary>
internal enum StateKind : byte
{
    Int8 = 1,
    Float32 = 2,
}

/// <summary>
/// A saved state: 4 bytes "ESTA", 1 byte version, 1 byte kind, 2 bytes zero, 8 bytes of the model's SHA-256, the state, and
/// 4 bytes CRC-32 of all before it (ISO-HDLC, little-endian).
/// </summary>
internal static class StateFormat
{
    internal const int HeaderBytes = 16;
    internal const int TrailerBytes = 4;
    private const byte Version = 1;

    internal static byte[] Wrap(ReadOnlySpan<byte> state, StateKind kind, string modelSha256)
    {
        byte[] saved = new byte[HeaderBytes + state.Length + TrailerBytes];
        "ESTA"u8.CopyTo(saved);
        saved[4] = Version;
        saved[5] = (byte)kind;
        Convert.FromHexString(modelSha256.AsSpan(0, 16), saved.AsSpan(8, 8), out _, out _);
        state.CopyTo(saved.AsSpan(HeaderBytes));
        BinaryPrimitives.WriteUInt32LittleEndian(
            saved.AsSpan(saved.Length - TrailerBytes),
            Crc32.Of(saved.AsSpan(0, saved.Length - TrailerBytes)));
        return saved;
    }

    internal static void Unwrap(ReadOnlySpan<byte> saved, StateKind kind, string modelSha256, Span<byte> state)
    {
        if (saved.Length < HeaderBytes + TrailerBytes
            || !saved.StartsWith("ESTA"u8)
            || saved[4] != Version
            || saved[6] != 0
            || saved[7] != 0)
        {
            throw new ModelFormatException("This is not a saved state of this version. Start without it.");
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(saved[^TrailerBytes..]) != Crc32.Of(saved[..^TrailerBytes]))
        {
            throw new ModelFormatException("The saved state is damaged: its checksum is wrong. Start without it.");
        }

        Span<byte> model = stackalloc byte[8];
        Convert.FromHexString(modelSha256.AsSpan(0, 16), model, out _, out _);
        if (saved[5] != (byte)kind || !saved.Slice(8, 8).SequenceEqual(model) || saved.Length != HeaderBytes + state.Length + TrailerBytes)
        {
            throw new ModelFormatException(
                "The saved state belongs to another model or engine. Use the model it was saved from, or start without it.");
        }

        saved[HeaderBytes..^TrailerBytes].CopyTo(state);
    }
}
