using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace Edge.Inference.Kernels;

/// <summary>
/// The few instructions by which 128-bit kernels differ. Each does exactly what its formula says on every value that a
/// step can produce; the portable implementation is the formula, so x64 tests run the loops of the ARM kernels with it.
/// </summary>
internal interface IInstructions128
{
    /// <summary>Whether 16 accumulators fit the registers: 32 on ARM, 16 elsewhere.</summary>
    static abstract bool HasManyRegisters { get; }

    /// <summary>To each int32 lane adds the sum of its four products of int8.</summary>
    static abstract Vector128<int> Dot(Vector128<int> accumulator, Vector128<sbyte> activations, Vector128<sbyte> weights);

    /// <summary>To each int32 lane adds the sum of its two products of int16.</summary>
    static abstract Vector128<int> PairDot(Vector128<int> accumulator, Vector128<short> a, Vector128<short> b);

    /// <summary>MULR: (a·b + 2^14) >> 15, never for a = b = -32768.</summary>
    static abstract Vector128<short> MultiplyRound(Vector128<short> a, Vector128<short> b);

    /// <summary>(a·b) >> 15, never for a = b = -32768.</summary>
    static abstract Vector128<short> MultiplyFloor(Vector128<short> a, Vector128<short> b);
}

/// <summary>Plain vector operations that every processor has, or that the runtime does one lane at a time.</summary>
internal readonly struct Portable128 : IInstructions128
{
    public static bool HasManyRegisters => AdvSimd.Arm64.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot(Vector128<int> accumulator, Vector128<sbyte> activations, Vector128<sbyte> weights)
    {
        // Neighbors share an int16 lane; two products of at most 127·127 still fit one.
        Vector128<short> a = activations.AsInt16();
        Vector128<short> w = weights.AsInt16();
        Vector128<int> pairs = ((((a << 8) >> 8) * ((w << 8) >> 8)) + ((a >> 8) * (w >> 8))).AsInt32();
        return accumulator + ((pairs << 16) >> 16) + (pairs >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> PairDot(Vector128<int> accumulator, Vector128<short> a, Vector128<short> b)
    {
        Vector128<int> even = ((a.AsInt32() << 16) >> 16) * ((b.AsInt32() << 16) >> 16);
        return accumulator + even + ((a.AsInt32() >> 16) * (b.AsInt32() >> 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> MultiplyRound(Vector128<short> a, Vector128<short> b) => Multiply(a, b, 1 << 14);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> MultiplyFloor(Vector128<short> a, Vector128<short> b) => Multiply(a, b, 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> Multiply(Vector128<short> a, Vector128<short> b, int rounding)
    {
        (Vector128<int> aLower, Vector128<int> aUpper) = Vector128.Widen(a);
        (Vector128<int> bLower, Vector128<int> bUpper) = Vector128.Widen(b);
        Vector128<int> add = Vector128.Create(rounding);
        return Vector128.Narrow(((aLower * bLower) + add) >> 15, ((aUpper * bUpper) + add) >> 15);
    }
}

/// <summary>ARMv8.0, as in the Raspberry Pi 4 and the Jetson Nano: no dot product.</summary>
internal readonly struct AdvSimd128 : IInstructions128
{
    public static bool HasManyRegisters => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot(Vector128<int> accumulator, Vector128<sbyte> activations, Vector128<sbyte> weights)
    {
        // smull, smull2; addp leaves a pair's sum, at most 2·127·127, in int16; sadalp adds two of them to each lane.
        Vector128<short> lower = AdvSimd.MultiplyWideningLower(activations.GetLower(), weights.GetLower());
        Vector128<short> upper = AdvSimd.MultiplyWideningUpper(activations, weights);
        return AdvSimd.AddPairwiseWideningAndAdd(accumulator, AdvSimd.Arm64.AddPairwise(lower, upper));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> PairDot(Vector128<int> accumulator, Vector128<short> a, Vector128<short> b)
    {
        Vector128<int> lower = AdvSimd.MultiplyWideningLower(a.GetLower(), b.GetLower());
        return accumulator + AdvSimd.Arm64.AddPairwise(lower, AdvSimd.MultiplyWideningUpper(a, b));
    }

    // sqrdmulh: (2·a·b + 2^15) >> 16.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> MultiplyRound(Vector128<short> a, Vector128<short> b) =>
        AdvSimd.MultiplyRoundedDoublingSaturateHigh(a, b);

    // sqdmulh: (2·a·b) >> 16.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> MultiplyFloor(Vector128<short> a, Vector128<short> b) => AdvSimd.MultiplyDoublingSaturateHigh(a, b);
}

/// <summary>
/// ARMv8.2 with the dot product, as in the Raspberry Pi 5 and the Jetson Orin: sdot, and the rest as <see cref="AdvSimd128"/>.
/// </summary>
internal readonly struct AdvSimdDot128 : IInstructions128
{
    public static bool HasManyRegisters => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot(Vector128<int> accumulator, Vector128<sbyte> activations, Vector128<sbyte> weights) =>
        Dp.DotProduct(accumulator, activations, weights);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> PairDot(Vector128<int> accumulator, Vector128<short> a, Vector128<short> b) =>
        AdvSimd128.PairDot(accumulator, a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> MultiplyRound(Vector128<short> a, Vector128<short> b) => AdvSimd128.MultiplyRound(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> MultiplyFloor(Vector128<short> a, Vector128<short> b) => AdvSimd128.MultiplyFloor(a, b);
}
