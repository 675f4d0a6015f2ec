namespace Edge.Inference.Kernels;

/// <summary>
/// Memory that does not move, aligned to 64 bytes, with a cache line of zeros behind it so that a vector may read past the end.
/// </summary>
internal sealed unsafe class PinnedBuffer
{
    private const int Alignment = 64;
    private readonly byte[] _array;

    internal PinnedBuffer(int bytes)
    {
        _array = GC.AllocateArray<byte>(bytes + (2 * Alignment), pinned: true);
        byte* start = (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref _array[0]);
        Pointer = (byte*)(((nuint)start + Alignment - 1) & ~(nuint)(Alignment - 1));
        Length = bytes;
    }

    /// <summary>int16 values, and zeros to a whole block of 16.</summary>
    internal static PinnedBuffer Of(ReadOnlySpan<short> values)
    {
        PinnedBuffer buffer = OfBlocks(values.Length);
        values.CopyTo(buffer.As<short>());
        return buffer;
    }

    /// <summary>Room for int16 values, rounded up to blocks of 16.</summary>
    internal static PinnedBuffer OfBlocks(int count) =>
        new((count + PackedGates.BlockUnits - 1) / PackedGates.BlockUnits * PackedGates.BlockUnits * sizeof(short));

    /// <summary>Valid for as long as this object is reachable: keep it in a field.</summary>
    internal byte* Pointer { get; }

    internal int Length { get; }

    internal Span<T> As<T>()
        where T : unmanaged => new(Pointer, Length / sizeof(T));
}
