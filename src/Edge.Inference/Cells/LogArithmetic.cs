using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Edge.Inference.Cells;

/// <summary>
/// Weighted means whose weights are powers of two: what sLSTM and mLSTM keep. Logarithms are to the base 2 and int32 with 23 fraction bits,
/// means are int32 with 29. docs/xlstm.md has the formulas and says why nothing can overflow.
/// </summary>
internal static class LogArithmetic
{
    /// <summary>Fraction bits of a logarithm.</summary>
    internal const int LogBits = 23;

    /// <summary>Fraction bits of a mean, which lies within ±1.</summary>
    internal const int MeanBits = 29;

    /// <summary>Right shift of a mean to Q0.15.</summary>
    internal const int MeanShift = MeanBits - 15;

    /// <summary>What a mean is rounded with.</summary>
    internal const int MeanHalf = 1 << (MeanShift - 1);

    /// <summary>The logarithm of no weight at all: so small that the first value is the mean.</summary>
    internal const int Nothing = -96 << LogBits;

    // Left shift of a gate's argument to a logarithm.
    private const int GateShift = LogBits - BlockLayer.GateFractionBits;

    // Entries for each unit of the argument of log2(1 + 2^-u), and the units after which it rounds to nothing.
    private const int SoftplusSteps = 32;
    private const int SoftplusEnd = 25;
    private const int SoftplusShift = LogBits - 5;
    private const int PowerShift = LogBits - 8;

    private static readonly int[] Softplus = MakeSoftplus();
    private static readonly short[] Power = MakePower();

    /// <summary>2^-t for t = k/256, Q1.14 [257].</summary>
    internal static ReadOnlySpan<short> PowerTable => Power;

    /// <summary>log2(1 + 2^-(k/32)), Q8.23 [801].</summary>
    internal static ReadOnlySpan<int> SoftplusTable => Softplus;

    /// <summary>
    /// Takes one more value into a sum of weights: ℓ' = log2(2^(ℓ + log2 σ(f)) + 2^i), where i and f are to the base 2.
    /// </summary>
    /// <param name="log">ℓ, replaced by ℓ'.</param>
    /// <param name="input">i, Q6.9.</param>
    /// <param name="forget">f, Q6.9.</param>
    /// <returns>The share of the new value, 2^(i - ℓ').</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Share Admit(ref int log, int input, int forget)
    {
        int i = input << GateShift;
        int kept = log + LogSigmoid(forget << GateShift);
        log = Math.Max(kept, i) + SoftplusOf(kept - i);
        return Share.Of(log - i);
    }

    /// <summary>log2 σ2(f) = -log2(1 + 2^-f).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int LogSigmoid(int forget) => Math.Min(forget, 0) - SoftplusOf(forget);

    /// <summary>log2(1 + 2^-|d|), on straight lines between the entries of a table.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int SoftplusOf(int d)
    {
        uint u = (uint)(d < 0 ? -d : d);
        uint k = u >> SoftplusShift;
        if (k >= SoftplusSteps * SoftplusEnd)
        {
            return 0;
        }

        ref int entry = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(Softplus), k);
        int rest = (int)(u >> (SoftplusShift - 12)) & 4095;
        return entry + ((((Unsafe.Add(ref entry, 1) - entry) * rest) + 2048) >> 12);
    }

    /// <summary>2^v for a logarithm v as an integer, 0 to 2^30.</summary>
    internal static int PowerOf(long v)
    {
        if (v >= 30L << LogBits)
        {
            return 1 << 30;
        }

        if (v < -(2L << LogBits))
        {
            return 0;
        }

        // 2^v = 2^-(fraction of -v) · 2^(whole part); the mantissa has 14 fraction bits.
        int shift = 14 + (int)(-v >> LogBits);
        int mantissa = Mantissa((int)(-v & ((1 << LogBits) - 1)));
        return shift <= 0 ? mantissa << -shift : (mantissa + (1 << (shift - 1))) >> shift;
    }

    /// <summary>A mean as int16, so many bits further up than Q0.15; what is beyond saturates.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Read(int mean, int shift)
    {
        int limit = 1 << (MeanBits - shift);
        return Math.Clamp(mean + ((1 << (MeanShift - shift)) >> 1), -limit, limit - 1) >> (MeanShift - shift);
    }

    /// <summary>A mean in Q0.15, rounded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int ToQ15(int mean) => (mean + MeanHalf) >> MeanShift;

    /// <summary>Whether int32 are means that a step can have left.</summary>
    internal static bool AreMeans(ReadOnlySpan<short> states)
    {
        foreach (int mean in MemoryMarshal.Cast<short, int>(states))
        {
            if (mean is < -(1 << MeanBits) - MeanHalf or >= (1 << MeanBits) - MeanHalf)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether int32 are logarithms that a step can have left, or the initial one.</summary>
    internal static bool AreLogs(ReadOnlySpan<short> states)
    {
        foreach (int log in MemoryMarshal.Cast<short, int>(states))
        {
            if (log != Nothing && log is < -64 << LogBits or > (64 + SoftplusEnd) << LogBits)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Writes an int32 to every pair of int16 states.</summary>
    internal static void Write(Span<short> states, int value) => MemoryMarshal.Cast<short, int>(states).Fill(value);

    /// <summary>2^-t for the fraction t of a logarithm, Q1.14, on straight lines between the entries of a table.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Mantissa(int fraction)
    {
        ref short entry = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(Power), fraction >> PowerShift);
        int rest = (fraction >> (PowerShift - 8)) & 255;
        return entry + ((((Unsafe.Add(ref entry, 1) - entry) * rest) + 128) >> 8);
    }

    // Only +, -, ·, / and the root are used, which give the same double on every processor.
    private static int[] MakeSoftplus()
    {
        var table = new int[(SoftplusSteps * SoftplusEnd) + 2];
        for (int k = 0; k <= SoftplusSteps * SoftplusEnd; k++)
        {
            // log2(1 + p) = 2/ln 2 · (s + s³/3 + s⁵/5 + …), s = p / (2 + p).
            double p = NegativePower(k, SoftplusSteps);
            double s = p / (2 + p);
            double term = s;
            double sum = 0;
            for (int n = 1; n < 60; n += 2)
            {
                sum += term / n;
                term *= s * s;
            }

            table[k] = (int)Math.Floor((sum * 2 / 0.69314718055994530942 * (1 << LogBits)) + 0.5);
        }

        return table;
    }

    private static short[] MakePower()
    {
        var table = new short[258];
        for (int k = 0; k <= 256; k++)
        {
            table[k] = (short)Math.Floor((NegativePower(k, 256) * (1 << 14)) + 0.5);
        }

        return table;
    }

    // 2^-(k / steps), steps a power of two: roots of one half, multiplied.
    private static double NegativePower(int k, int steps)
    {
        double power = 1;
        double root = 0.5;
        for (int bit = steps; bit > 0; bit >>= 1)
        {
            for (int whole = k / bit; whole > 0; whole--)
            {
                power *= root;
            }

            k %= bit;
            root = Math.Sqrt(root);
        }

        return power;
    }

    /// <summary>A share of a sum as mantissa·2^-(14 + exponent).</summary>
    /// <param name="Mantissa">8192..16384.</param>
    /// <param name="Exponent">0..30.</param>
    internal readonly record struct Share(int Mantissa, int Exponent)
    {
        /// <summary>2^-w for a logarithm w of at least 0.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal static Share Of(int w)
        {
            w = Math.Max(w, 0);
            return new Share(LogArithmetic.Mantissa(w & ((1 << LogBits) - 1)), Math.Min(w >> LogBits, 30));
        }

        /// <summary>The share in Q0.15, for a trace.</summary>
        internal short ToQ15() => (short)Math.Min(Mantissa << 1 >> Exponent, short.MaxValue);

        /// <summary>Moves a mean towards a value in Q0.15: mean + SHR(mantissa·(value - SHR(mean, 14)), exponent).</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal int Move(int mean, int value) =>
            mean + (((Mantissa * (value - LogArithmetic.ToQ15(mean))) + ((1 << Exponent) >> 1)) >> Exponent);
    }
}
