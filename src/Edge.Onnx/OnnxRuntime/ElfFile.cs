using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Edge.Inference;

namespace Edge.Onnx.OnnxRuntime;

/// <summary>
/// Checks a shared library before it is loaded: the loader reads past the end of a truncated file and crashes the process.
/// Layout: System V ABI, ELF-64 header and program headers, little-endian.
/// </summary>
internal static class ElfFile
{
    private const int HeaderBytes = 64;
    private const int SegmentBytes = 56;
    private const ushort X64 = 62;
    private const ushort Arm64 = 183;

    /// <summary>What is wrong with a file as a library for this processor, or null.</summary>
    internal static string? Problem(string path)
    {
        using FileStream file = RegularFile.OpenRead(path);
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (file.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false) < HeaderBytes
            || !header.StartsWith("\u007fELF"u8)
            || header[4] != 2)
        {
            return "it is not a 64-bit Linux library.";
        }

        ushort machine = BinaryPrimitives.ReadUInt16LittleEndian(header[18..]);
        if (machine != (RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? Arm64 : X64))
        {
            return $"it is made for {machine switch { X64 => "x86-64", Arm64 => "aarch64", _ => $"processor type {machine}" }}.";
        }

        long end = 0;
        ushort count = BinaryPrimitives.ReadUInt16LittleEndian(header[56..]);
        file.Seek((long)BinaryPrimitives.ReadUInt64LittleEndian(header[32..]), SeekOrigin.Begin);
        Span<byte> segment = stackalloc byte[SegmentBytes];
        for (int i = 0; i < count && file.ReadAtLeast(segment, SegmentBytes, throwOnEndOfStream: false) == SegmentBytes; i++)
        {
            end = Math.Max(
                end,
                (long)(BinaryPrimitives.ReadUInt64LittleEndian(segment[8..]) + BinaryPrimitives.ReadUInt64LittleEndian(segment[32..])));
        }

        return end > file.Length ? $"it is truncated: it has {file.Length} bytes of at least {end}." : null;
    }
}
