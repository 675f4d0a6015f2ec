using System.Runtime.CompilerServices;
using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>
/// The integer primitives of docs/quantization.md. Every kernel computes exactly these; all of them are exact on
/// two's-complement integers, so no processor can differ.
/// </summary>
internal static class FixedPoint
{
    /// <summary>Largest |t| that <see cref="Tanh"/> distinguishes: 6.0 in Q3.12, where tanh rounds to 1 - 2^-15.</summary>
    internal const int TanhClamp = 24575;

    /// <summary>Segment of each half-unit cell of |t|: [0,.5) [.5,1) [1,1.5) [1.5,2) [2,2.5) [2.5,3.5) [3.5,4.5) [4.5,6].</summary>
    internal static ReadOnlySpan<byte> TanhSegment => [0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 7, 7, 7, 7, 7];

    /// <summary>Middle of each segment, Q3.12: the point its cubic is expanded about.</summary>
    internal static ReadOnlySpan<short> TanhCenter => [1024, 3072, 5120, 7168, 9216, 12288, 16384, 21504];

    // Cubic coefficients of tanh about each center, Q0.15, fitted for the least maximum error (3 units of 2^-15).
    internal static ReadOnlySpan<short> TanhC0 => [8023, 20811, 27797, 30847, 32048, 32607, 32746, 32766];
    internal static ReadOnlySpan<short> TanhC1 => [30797, 19553, 9190, 3729, 1424, 322, 44, 3];
    internal static ReadOnlySpan<short> TanhC2 => [-7265, -12215, -7820, -3557, -1416, -350, -46, -4];
    internal static ReadOnlySpan<short> TanhC3 => [-8204, 1177, 3490, 2073, 900, 228, 31, 3];

    /// <summary>MULR(a, b) = floor((a·b + 2^14) / 2^15): the product of two Q0.15 numbers, rounded half up.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int MultiplyRound(int a, int b) => ((a * b) + (1 << 14)) >> 15;

    /// <summary>SHR(v, s) = floor((v + 2^(s-1)) / 2^s), rounded half up; SHR(v, 0) = v.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int ShiftRightRound(int value, int shift) => shift == 0 ? value : (value + (1 << (shift - 1))) >> shift;

    /// <summary>SAT16: clamps to -32768..32767.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Saturate16(int value) => Math.Clamp(value, short.MinValue, short.MaxValue);

    /// <summary>TANH(t): Q3.12 in, Q0.15 out, odd, within 3 units of 2^-15 of tanh.</summary>
    internal static int Tanh(int t)
    {
        int magnitude = Math.Min(Math.Abs(t), TanhClamp);
        int k = TanhSegment[magnitude >> 11];
        int u = (magnitude - TanhCenter[k]) << 3;
        int p = TanhC2[k] + MultiplyRound(u, TanhC3[k]);
        p = TanhC1[k] + MultiplyRound(u, p);
        p = TanhC0[k] + MultiplyRound(u, p);
        return Math.Sign(t) * p;
    }

    /// <summary>SIGM(z/2): half the argument in Q3.12 (so z in Q4.11) in, Q0.15 out; sigmoid(z) = (1 + tanh(z/2)) / 2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Sigmoid(int halfArgument) => (Tanh(halfArgument) >> 1) + (1 << 14);

    /// <summary>An inner layer's activation of its argument.</summary>
    internal static int Activate(Activation activation, int z) => activation switch
    {
        Activation.Tanh => Tanh(z),
        Activation.Sigmoid => Sigmoid(z),
        Activation.Ramp => Math.Max(z, 0),
        _ => z,
    };
}
