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
    // 8 plus the segment of each half-unit cell. Times 257, with the 8 that a lane's upper byte, 0, has got: 8 + segment in the lower byte
    // and 16 + segment in the upper one, which are the places of an entry's two bytes in the tables below.
    private static ReadOnlySpan<byte> Segment => [8, 9, 10, 11, 12, 13, 13, 14, 14, 15, 15, 15, 15, 15, 15, 15];

    // Of the int16 tables of FixedPoint the upper bytes of all entries, then the lower bytes. Center8 is 8·center, as u = 8·(|t| - center).
    private static ReadOnlySpan<byte> Center8 => [32, 96, 160, 224, 32, 128, 0, 160, 0, 0, 0, 0, 0, 0, 0, 0];

    private static ReadOnlySpan<byte> C0 => [31, 81, 108, 120, 125, 127, 127, 127, 87, 75, 149, 127, 48, 95, 234, 254];

    private static ReadOnlySpan<byte> C1 => [120, 76, 35, 14, 5, 1, 0, 0, 77, 97, 230, 145, 144, 66, 44, 3];

    private static ReadOnlySpan<byte> C2 => [227, 208, 225, 242, 250, 254, 255, 255, 159, 73, 116, 27, 120, 162, 210, 252];

    private static ReadOnlySpan<byte> C3 => [223, 4, 13, 8, 3, 0, 0, 0, 244, 153, 162, 25, 132, 228, 31, 3];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<short> Tanh(Vector256<short> t)
    {
        Vector256<short> magnitude = Magnitude(t);
        Vector256<byte> offset = Offset(magnitude, Both(Segment));
        Vector256<short> u = (magnitude * Vector256.Create((short)8)) - Lookup(Both(Center8), offset);
        Vector256<short> p = Lookup(Both(C3), offset);
        p = Lookup(Both(C2), offset) + Avx2.MultiplyHighRoundScale(u, p);
        p = Lookup(Both(C1), offset) + Avx2.MultiplyHighRoundScale(u, p);
        p = Lookup(Both(C0), offset) + Avx2.MultiplyHighRoundScale(u, p);
        return Avx2.Sign(p, t);
    }

    /// <summary>TANH of four vectors in place: each table is loaded once, and the four overlap.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Tanh(ref Vector256<short> a, ref Vector256<short> b, ref Vector256<short> c, ref Vector256<short> d)
    {
        Vector256<short> ua = Magnitude(a);
        Vector256<short> ub = Magnitude(b);
        Vector256<short> uc = Magnitude(c);
        Vector256<short> ud = Magnitude(d);
        Vector256<byte> table = Both(Segment);
        Vector256<byte> oa = Offset(ua, table);
        Vector256<byte> ob = Offset(ub, table);
        Vector256<byte> oc = Offset(uc, table);
        Vector256<byte> od = Offset(ud, table);
        table = Both(Center8);
        ua = (ua * Vector256.Create((short)8)) - Lookup(table, oa);
        ub = (ub * Vector256.Create((short)8)) - Lookup(table, ob);
        uc = (uc * Vector256.Create((short)8)) - Lookup(table, oc);
        ud = (ud * Vector256.Create((short)8)) - Lookup(table, od);
        table = Both(C3);
        Vector256<short> pa = Lookup(table, oa);
        Vector256<short> pb = Lookup(table, ob);
        Vector256<short> pc = Lookup(table, oc);
        Vector256<short> pd = Lookup(table, od);
        table = Both(C2);
        pa = Lookup(table, oa) + Avx2.MultiplyHighRoundScale(ua, pa);
        pb = Lookup(table, ob) + Avx2.MultiplyHighRoundScale(ub, pb);
        pc = Lookup(table, oc) + Avx2.MultiplyHighRoundScale(uc, pc);
        pd = Lookup(table, od) + Avx2.MultiplyHighRoundScale(ud, pd);
        table = Both(C1);
        pa = Lookup(table, oa) + Avx2.MultiplyHighRoundScale(ua, pa);
        pb = Lookup(table, ob) + Avx2.MultiplyHighRoundScale(ub, pb);
        pc = Lookup(table, oc) + Avx2.MultiplyHighRoundScale(uc, pc);
        pd = Lookup(table, od) + Avx2.MultiplyHighRoundScale(ud, pd);
        table = Both(C0);
        a = Avx2.Sign(Lookup(table, oa) + Avx2.MultiplyHighRoundScale(ua, pa), a);
        b = Avx2.Sign(Lookup(table, ob) + Avx2.MultiplyHighRoundScale(ub, pb), b);
        c = Avx2.Sign(Lookup(table, oc) + Avx2.MultiplyHighRoundScale(uc, pc), c);
        d = Avx2.Sign(Lookup(table, od) + Avx2.MultiplyHighRoundScale(ud, pd), d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<short> Sigmoid(Vector256<short> halfArgument) =>
        SigmoidOfTanh(Tanh(halfArgument));

    /// <summary>SIGM of the TANH of its argument.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<short> SigmoidOfTanh(Vector256<short> tanh) => (tanh >> 1) + Vector256.Create((short)(1 << 14));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Magnitude(Vector256<short> t) =>
        Vector256.Min(Avx2.Abs(t), Vector256.Create((ushort)FixedPoint.TanhClamp)).AsInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Offset(Vector256<short> magnitude, Vector256<byte> segment) =>
        (Avx2.Shuffle(segment, (magnitude >> 11).AsByte()).AsInt16() * Vector256.Create((short)257)).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Lookup(Vector256<byte> table, Vector256<byte> offset) => Avx2.Shuffle(table, offset).AsInt16();

    // A table in both halves, because a byte shuffle of 256 bits looks up within each. It is constant data, which does not move. A static
    // field would be checked at each use by a program that is compiled ahead.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe Vector256<byte> Both(ReadOnlySpan<byte> table) =>
        Avx2.BroadcastVector128ToVector256((byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(table)));
}
