using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Edge.Inference.Kernels;

/// <summary>
/// TANH and SIGM of docs/quantization.md on 16 lanes of AVX2: the tables of <see cref="FixedPoint"/> looked up by byte shuffles.
/// </summary>
internal static class Activations256
{
    // The segment of each half-unit cell, doubled: the offset of its int16 entry.
    private static ReadOnlySpan<byte> Segment => [0, 2, 4, 6, 8, 10, 10, 12, 12, 14, 14, 14, 14, 14, 14, 14];

    private static ReadOnlySpan<byte> LowBytes => [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<short> Tanh(Vector256<short> t)
    {
        Vector256<short> magnitude = Vector256.Min(Avx2.Abs(t), Vector256.Create((ushort)FixedPoint.TanhClamp)).AsInt16();
        Vector256<short> cell = magnitude >> 11;

        // The cell's table offset, in both bytes of its lane, then the offsets of the entry's two bytes.
        Vector256<byte> segment = Avx2.Shuffle(Avx2.Shuffle(Both(Segment), cell.AsByte()), Both(LowBytes));
        Vector256<byte> offset = segment | Vector256.Create((short)0x0100).AsByte();
        Vector256<short> u = (magnitude - Avx2.Shuffle(Both(FixedPoint.TanhCenter), offset).AsInt16()) << 3;
        Vector256<short> p = Avx2.Shuffle(Both(FixedPoint.TanhC3), offset).AsInt16();
        p = Avx2.Shuffle(Both(FixedPoint.TanhC2), offset).AsInt16() + Avx2.MultiplyHighRoundScale(u, p);
        p = Avx2.Shuffle(Both(FixedPoint.TanhC1), offset).AsInt16() + Avx2.MultiplyHighRoundScale(u, p);
        p = Avx2.Shuffle(Both(FixedPoint.TanhC0), offset).AsInt16() + Avx2.MultiplyHighRoundScale(u, p);
        return Avx2.Sign(p, t);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<short> Sigmoid(Vector256<short> halfArgument) =>
        (Tanh(halfArgument) >> 1) + Vector256.Create((short)(1 << 14));

    // A table in both halves, because a byte shuffle of 256 bits looks up within each. It is constant data, which does not move. A static
    // field would be checked at each use by a program that is compiled ahead.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector256<byte> Both<T>(ReadOnlySpan<T> table) =>
        Avx2.BroadcastVector128ToVector256((byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(table)));
}
