using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Edge.Inference.Kernels;

/// <summary>TANH and SIGM of docs/quantization.md on 16 lanes of AVX2: the tables of <see cref="FixedPoint"/> looked up by byte shuffles.</summary>
internal readonly struct Activations256
{
    private readonly Vector256<byte> _segment;
    private readonly Vector256<byte> _centre;
    private readonly Vector256<byte> _c0;
    private readonly Vector256<byte> _c1;
    private readonly Vector256<byte> _c2;
    private readonly Vector256<byte> _c3;

    private Activations256(bool _)
    {
        // The segment of each half-unit cell, doubled: the offset of its int16 entry.
        Span<byte> twice = stackalloc byte[16];
        for (int i = 0; i < twice.Length; i++)
        {
            twice[i] = (byte)(2 * FixedPoint.TanhSegment[i]);
        }

        _segment = Vector256.Create(Vector128.Create<byte>(twice), Vector128.Create<byte>(twice));
        _centre = Table(FixedPoint.TanhCentre);
        _c0 = Table(FixedPoint.TanhC0);
        _c1 = Table(FixedPoint.TanhC1);
        _c2 = Table(FixedPoint.TanhC2);
        _c3 = Table(FixedPoint.TanhC3);
    }

    internal static Activations256 Load() => new(true);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal Vector256<short> Tanh(Vector256<short> t)
    {
        Vector256<short> magnitude = Vector256.Min(Avx2.Abs(t), Vector256.Create((ushort)FixedPoint.TanhClamp)).AsInt16();
        Vector256<short> cell = magnitude >> 11;

        // Both bytes of a lane name the cell, then its table offset, then the offsets of the entry's two bytes.
        Vector256<byte> offset = Avx2.Shuffle(_segment, (cell | (cell << 8)).AsByte()) | Vector256.Create((short)0x0100).AsByte();
        Vector256<short> u = (magnitude - Avx2.Shuffle(_centre, offset).AsInt16()) << 3;
        Vector256<short> p = Avx2.Shuffle(_c2, offset).AsInt16() + Avx2.MultiplyHighRoundScale(u, Avx2.Shuffle(_c3, offset).AsInt16());
        p = Avx2.Shuffle(_c1, offset).AsInt16() + Avx2.MultiplyHighRoundScale(u, p);
        p = Avx2.Shuffle(_c0, offset).AsInt16() + Avx2.MultiplyHighRoundScale(u, p);
        return Avx2.Sign(p, t);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal Vector256<short> Sigmoid(Vector256<short> halfArgument) => (Tanh(halfArgument) >> 1) + Vector256.Create((short)(1 << 14));

    private static Vector256<byte> Table(ReadOnlySpan<short> values)
    {
        Vector128<byte> half = Vector128.Create(values).AsByte();
        return Vector256.Create(half, half);
    }
}
