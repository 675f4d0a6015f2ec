using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Edge.Inference.Kernels;

/// <summary>
/// The few instructions by which 256-bit kernels differ: to each int32 lane add the exact sum of four products of int8 activations and
/// int8 weights. The JIT makes a kernel of its own for each implementation.
/// </summary>
internal unsafe interface IDotProduct256
{
    /// <summary>What is added to each activation beforehand so that it is unsigned: 128, or 0 where the sign is kept apart.</summary>
    static abstract int ActivationOffset { get; }

    /// <summary>
    /// Whether activations lie as an int32 that is added to every sum and 4 bytes of nothing, then in groups of four magnitudes and four
    /// bytes that are -1 where the activation is negative, else 0. Otherwise they lie one after the other.
    /// </summary>
    static abstract bool HasSigns { get; }

    /// <summary>Whether the loops run on 512 bits, by <see cref="Sums512{TGates}"/>; the activations then have signs.</summary>
    static abstract bool IsDoubled { get; }

    /// <summary>accumulator + activations·weights.</summary>
    /// <param name="accumulator">Eight sums.</param>
    /// <param name="activations">With the offset, bytes 0..255; with signs, the magnitudes.</param>
    /// <param name="signs">Where <see cref="HasSigns"/>.</param>
    /// <param name="weights">Weights.</param>
    static abstract Vector256<int> Accumulate(
        Vector256<int> accumulator, Vector256<byte> activations, Vector256<sbyte> signs, Vector256<sbyte> weights);

    /// <summary>To each int32 lane adds the sum of its two products of int16.</summary>
    static abstract Vector256<int> AccumulatePairs(Vector256<int> accumulator, Vector256<short> a, Vector256<short> b);
}

/// <summary>
/// AVX2 without a dot product: vpmaddubsw gets |a| unsigned and ~w where a is negative. As ~w = -w - 1, a·w = |a|·(~w) + |a| there, and
/// the sum of these |a| is the same for every row. Exact, because |a| is at most 127: a pair sums to at most 32,512, which int16 holds.
/// A vpsignb in place of the vpxor would need no such sum, but shares the ports of the multiplications.
/// </summary>
internal readonly struct SignedPairs256 : IDotProduct256
{
    public static int ActivationOffset => 0;

    public static bool HasSigns => true;

    public static bool IsDoubled => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Accumulate(
        Vector256<int> accumulator, Vector256<byte> activations, Vector256<sbyte> signs, Vector256<sbyte> weights) =>
        accumulator + Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(activations, weights ^ signs), Vector256<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AccumulatePairs(Vector256<int> accumulator, Vector256<short> a, Vector256<short> b) =>
        accumulator + Avx2.MultiplyAddAdjacent(a, b);
}

/// <summary>AVX-512 without a dot product: the sums on 512 bits, the rest as with AVX2.</summary>
internal readonly struct SignedPairs512 : IDotProduct256
{
    public static int ActivationOffset => 0;

    public static bool HasSigns => true;

    public static bool IsDoubled => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Accumulate(
        Vector256<int> accumulator, Vector256<byte> activations, Vector256<sbyte> signs, Vector256<sbyte> weights) =>
        SignedPairs256.Accumulate(accumulator, activations, signs, weights);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AccumulatePairs(Vector256<int> accumulator, Vector256<short> a, Vector256<short> b) =>
        SignedPairs256.AccumulatePairs(accumulator, a, b);
}

/// <summary>AVX-VNNI: vpdpbusd multiplies unsigned by signed bytes and adds four products into int32 without saturating.</summary>
internal readonly struct Vnni256 : IDotProduct256
{
    public static int ActivationOffset => 128;

    public static bool HasSigns => false;

    public static bool IsDoubled => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Accumulate(
        Vector256<int> accumulator, Vector256<byte> activations, Vector256<sbyte> signs, Vector256<sbyte> weights) =>
        AvxVnni.MultiplyWideningAndAdd(accumulator, activations, weights);

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

    public static bool HasSigns => false;

    public static bool IsDoubled => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Accumulate(
        Vector256<int> accumulator, Vector256<byte> activations, Vector256<sbyte> signs, Vector256<sbyte> weights)
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
