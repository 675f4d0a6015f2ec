using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Edge.Inference.Kernels;

/// <summary>
/// The one instruction (or the few) by which 256-bit kernels differ: to each int32 lane add the exact sum of four products of int8
/// activations and int8 weights. The JIT makes a kernel of its own for each implementation.
/// </summary>
internal interface IDotProduct256
{
    /// <summary>What is added to each activation beforehand so that it is unsigned: 128, or 0 where it stays signed.</summary>
    static abstract int ActivationOffset { get; }

    /// <summary>accumulator + activations·weights. With an offset, the activations are bytes 0..255.</summary>
    static abstract Vector256<int> Accumulate(Vector256<int> accumulator, Vector256<sbyte> activations, Vector256<sbyte> weights);

    /// <summary>To each int32 lane adds the sum of its two products of int16.</summary>
    static abstract Vector256<int> AccumulatePairs(Vector256<int> accumulator, Vector256<short> a, Vector256<short> b);
}

/// <summary>
/// AVX2 without a dot product: the sign of the activation is moved onto the weight, so that vpmaddubsw gets |a| unsigned. Exact because
/// |a|, |w| are at most 127: a pair sums to at most 32,258, which int16 holds.
/// </summary>
internal readonly struct SignedPairs256 : IDotProduct256
{
    public static int ActivationOffset => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Accumulate(Vector256<int> accumulator, Vector256<sbyte> activations, Vector256<sbyte> weights)
    {
        Vector256<short> pairs = Avx2.MultiplyAddAdjacent(Avx2.Abs(activations), Avx2.Sign(weights, activations));
        return accumulator + Avx2.MultiplyAddAdjacent(pairs, Vector256<short>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AccumulatePairs(Vector256<int> accumulator, Vector256<short> a, Vector256<short> b) =>
        accumulator + Avx2.MultiplyAddAdjacent(a, b);
}

/// <summary>AVX-VNNI: vpdpbusd multiplies unsigned by signed bytes and adds four products into int32 without saturating.</summary>
internal readonly struct Vnni256 : IDotProduct256
{
    public static int ActivationOffset => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Accumulate(Vector256<int> accumulator, Vector256<sbyte> activations, Vector256<sbyte> weights) =>
        AvxVnni.MultiplyWideningAndAdd(accumulator, activations.AsByte(), weights);

    // vpdpwssd.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AccumulatePairs(Vector256<int> accumulator, Vector256<short> a, Vector256<short> b) =>
        AvxVnni.MultiplyWideningAndAdd(accumulator, a, b);
}

/// <summary>
/// vpdpbusd spelled out in AVX2, for processors without it: the packing and the loops of the VNNI kernel are tested with this.
/// </summary>
internal readonly struct EmulatedVnni256 : IDotProduct256
{
    public static int ActivationOffset => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Accumulate(Vector256<int> accumulator, Vector256<sbyte> activations, Vector256<sbyte> weights)
    {
        Vector256<short> even = (weights.AsInt16() << 8) >> 8;
        Vector256<short> odd = weights.AsInt16() >> 8;
        Vector256<short> evenActivations = activations.AsInt16() & Vector256.Create((short)0xFF);
        Vector256<short> oddActivations = (activations.AsUInt16() >> 8).AsInt16();
        return accumulator + Avx2.MultiplyAddAdjacent(evenActivations, even) + Avx2.MultiplyAddAdjacent(oddActivations, odd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AccumulatePairs(Vector256<int> accumulator, Vector256<short> a, Vector256<short> b) =>
        accumulator + Avx2.MultiplyAddAdjacent(a, b);
}
