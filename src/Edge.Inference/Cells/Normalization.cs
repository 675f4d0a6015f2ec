using System.Numerics;

namespace Edge.Inference.Cells;

/// <summary>
/// NORM of docs/xlstm.md: (x - mean) / √(variance + ε) of a run of integers, with the sums exact and the root good to 29 bits.
/// </summary>
internal static class Normalization
{
    // Reciprocal roots of the middle of 192 parts of [2^30, 2^32), with 14 fraction bits.
    private static readonly uint[] Seeds = MakeSeeds();

    /// <summary>b: a normalized value of d lies within ±√(d - 1), so 15 - b is the least t with 4^t >= d.</summary>
    internal static int FractionBits(int count) => 15 - ((BitOperations.Log2((uint)((2 * count) - 1)) + 1) / 2);

    /// <summary>Largest ε' of a norm.</summary>
    internal const long EpsilonMax = 1L << 61;

    /// <summary>ε = 10^-5 for d values with f fraction bits: d²·2^(2f) / 100,000, rounded, at least 1.</summary>
    internal static long Epsilon(int count, int fractionBits) =>
        Math.Max(1, (((long)count * count << (2 * fractionBits)) + 50_000) / 100_000);

    /// <summary>y_i = (d·x_i - Σx)·2^b / √(d·Σx² - (Σx)² + ε).</summary>
    /// <param name="x">1 to 4,096 values of 17 bits at most.</param>
    /// <param name="y">Receives as many in Q(15-b).b.</param>
    /// <param name="epsilon">ε·d² in squared steps of x, 1 to 2^61.</param>
    /// <param name="fractionBits">b.</param>
    internal static void Apply(ReadOnlySpan<int> x, Span<short> y, long epsilon, int fractionBits)
    {
        long sum = 0;
        long squares = 0;
        foreach (int value in x)
        {
            sum += value;
            squares += (long)value * value;
        }

        Scale scale = Scale.Of((x.Length * squares) - (sum * sum) + epsilon, fractionBits);
        for (int i = 0; i < x.Length; i++)
        {
            y[i] = scale.Apply((x.Length * (long)x[i]) - sum);
        }
    }

    /// <summary>The same of int16.</summary>
    internal static void Apply(ReadOnlySpan<short> x, Span<short> y, long epsilon, int fractionBits)
    {
        int sum = 0;
        long squares = 0;
        foreach (short value in x)
        {
            sum += value;
            squares += value * value;
        }

        Scale scale = Scale.Of((x.Length * squares) - ((long)sum * sum) + epsilon, fractionBits);
        for (int i = 0; i < x.Length; i++)
        {
            y[i] = scale.Apply((x.Length * x[i]) - sum);
        }
    }

    /// <summary>R = 2^46 / √v within 2^-28 of it, for v in [2^30, 2^32).</summary>
    internal static ulong ReciprocalRoot(ulong v)
    {
        ulong r = (ulong)Seeds[(int)(v >> 24) - 64] << 16;
        for (int i = 0; i < 2; i++)
        {
            // Newton: r·(3 - v·r²) / 2.
            ulong error = (v * ((r * r) >> 31)) >> 30;
            r = (r * ((3UL << 31) - error)) >> 32;
        }

        return r;
    }

    private static uint[] MakeSeeds()
    {
        var seeds = new uint[192];
        for (uint k = 64; k < 256; k++)
        {
            // The integer root of 2^37 / (2k + 1): 2^18 / √(k + 1/2).
            ulong square = (1UL << 37) / ((2 * k) + 1);
            uint root = 1 << 15;
            while ((ulong)root * root > square)
            {
                root--;
            }

            seeds[k - 64] = root;
        }

        return seeds;
    }

    // What a difference from the mean is multiplied with, and the shift that follows.
    private readonly record struct Scale(long Root, int Shift)
    {
        internal static Scale Of(long variance, int fractionBits)
        {
            // variance·4^a in [2^60, 2^62).
            int a = (BitOperations.LeadingZeroCount((ulong)variance) - 2) >> 1;
            return new Scale((long)ReciprocalRoot((ulong)variance << (2 * a) >> 30), 61 - a - fractionBits);
        }

        internal short Apply(long difference) =>
            (short)Math.Clamp(((difference * Root) + (1L << (Shift - 1))) >> Shift, short.MinValue, short.MaxValue);
    }
}
