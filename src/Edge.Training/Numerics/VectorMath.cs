using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Edge.Training.Numerics;

/// <summary>
/// Element-wise float32 operations over spans. No library function is called, and every operation is one that IEEE 754 fixes to the last
/// bit: a training run gives the same weights on every processor.
/// </summary>
internal static class VectorMath
{
    private const int Lanes = 8;

    /// <summary>target += source.</summary>
    internal static void Add(ReadOnlySpan<float> source, Span<float> target)
    {
        ref float from = ref MemoryMarshal.GetReference(source);
        ref float to = ref MemoryMarshal.GetReference(target);
        int i = 0;
        for (; i + Lanes <= target.Length; i += Lanes)
        {
            (Vector256.LoadUnsafe(ref from, (nuint)i) + Vector256.LoadUnsafe(ref to, (nuint)i)).StoreUnsafe(ref to, (nuint)i);
        }

        for (; i < target.Length; i++)
        {
            target[i] += source[i];
        }
    }

    /// <summary>Adds to the first eight values.</summary>
    internal static void AddTo(Span<float> target, Vector256<float> value) => (Vector256.Create<float>(target) + value).CopyTo(target);

    /// <summary>y = x ⊙ w, row by row.</summary>
    /// <param name="x">Rows of as many values as w has, a multiple of 8.</param>
    /// <param name="w">One factor a column.</param>
    /// <param name="y">Receives as many rows.</param>
    internal static void MultiplyRows(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<float> y)
    {
        for (int at = 0; at < x.Length; at += w.Length)
        {
            for (int j = 0; j < w.Length; j += Lanes)
            {
                (Vector256.Create(x[(at + j)..]) * Vector256.Create(w[j..])).CopyTo(y[(at + j)..]);
            }
        }
    }

    /// <summary>sums += x ⊙ y, of all rows.</summary>
    /// <param name="x">Rows of as many values as there are sums, a multiple of 8.</param>
    /// <param name="y">As many rows.</param>
    /// <param name="sums">One a column.</param>
    internal static void AddProductOfRows(ReadOnlySpan<float> x, ReadOnlySpan<float> y, Span<float> sums)
    {
        for (int at = 0; at < x.Length; at += sums.Length)
        {
            for (int j = 0; j < sums.Length; j += Lanes)
            {
                AddTo(sums[j..], Vector256.Create(x[(at + j)..]) * Vector256.Create(y[(at + j)..]));
            }
        }
    }

    /// <summary>x = 1/(1 + e^-x), in place.</summary>
    internal static void Sigmoid(Span<float> x)
    {
        ref float at = ref MemoryMarshal.GetReference(x);
        int i = 0;
        for (; i + Lanes <= x.Length; i += Lanes)
        {
            SigmoidOf(Vector256.LoadUnsafe(ref at, (nuint)i)).StoreUnsafe(ref at, (nuint)i);
        }

        for (; i < x.Length; i++)
        {
            x[i] = SigmoidOf(Vector256.Create(x[i])).ToScalar();
        }
    }

    /// <summary>x = tanh(x), in place.</summary>
    internal static void Tanh(Span<float> x)
    {
        ref float at = ref MemoryMarshal.GetReference(x);
        int i = 0;
        for (; i + Lanes <= x.Length; i += Lanes)
        {
            TanhOf(Vector256.LoadUnsafe(ref at, (nuint)i)).StoreUnsafe(ref at, (nuint)i);
        }

        for (; i < x.Length; i++)
        {
            x[i] = TanhOf(Vector256.Create(x[i])).ToScalar();
        }
    }

    /// <summary>x = e^x, in place.</summary>
    internal static void Exp(Span<float> x)
    {
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = ExpOf(Vector256.Create(x[i])).ToScalar();
        }
    }

    /// <summary>1/(1 + e^-x).</summary>
    internal static Vector256<float> SigmoidOf(Vector256<float> x) => Vector256<float>.One / (Vector256<float>.One + ExpOf(-x));

    /// <summary>tanh(x) = 2/(1 + e^-2x) - 1: within 2e-7 of it.</summary>
    internal static Vector256<float> TanhOf(Vector256<float> x) =>
        (Vector256.Create(2f) / (Vector256<float>.One + ExpOf(Vector256.Create(-2f) * x))) - Vector256<float>.One;

    /// <summary>The derivative of SiLU, a·σ(a), by a.</summary>
    /// <param name="a">a.</param>
    /// <param name="open">σ(a).</param>
    internal static Vector256<float> SiluSlope(Vector256<float> a, Vector256<float> open) =>
        open * (Vector256<float>.One + (a * (Vector256<float>.One - open)));

    /// <summary>log(1/(1 + e^-x)), within 3e-7.</summary>
    internal static Vector256<float> LogSigmoidOf(Vector256<float> x) =>
        Vector256.Min(x, Vector256<float>.Zero) - LogOfOneAnd(ExpOf(-Vector256.Abs(x)));

    /// <summary>The sum of the eight values.</summary>
    internal static float Sum(Vector256<float> x)
    {
        Vector128<float> half = x.GetLower() + x.GetUpper();
        return (half.GetElement(0) + half.GetElement(1)) + (half.GetElement(2) + half.GetElement(3));
    }

    /// <summary>
    /// log(1 + u) for 0 ≤ u ≤ 1: 2·artanh(s) with s = u/(2 + u) ≤ 1/3, by its series s + s³/3 + s⁵/5 + ... to the term below 1e-9.
    /// </summary>
    private static Vector256<float> LogOfOneAnd(Vector256<float> u)
    {
        Vector256<float> s = u / (u + Vector256.Create(2f));
        Vector256<float> square = s * s;
        Vector256<float> sum = Vector256.Create(1f / 17);
        for (int odd = 15; odd >= 1; odd -= 2)
        {
            sum = Vector256.FusedMultiplyAdd(sum, square, Vector256.Create(1f / odd));
        }

        return Vector256.Create(2f) * s * sum;
    }

    /// <summary>
    /// e^x for x clamped to ±80, within 3e-7 of it relatively: x = k·ln 2 + r, a polynomial of r (Cephes' expf, Moshier), times 2^k.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> ExpOf(Vector256<float> x)
    {
        x = Vector256.Min(Vector256.Max(x, Vector256.Create(-80f)), Vector256.Create(80f));
        Vector256<float> k = Vector256.Floor(Vector256.FusedMultiplyAdd(x, Vector256.Create(1.44269504f), Vector256.Create(0.5f)));
        Vector256<float> r = Vector256.FusedMultiplyAdd(k, Vector256.Create(-0.693359375f), x);
        r = Vector256.FusedMultiplyAdd(k, Vector256.Create(2.12194440e-4f), r);
        Vector256<float> p = Vector256.Create(1.9875691500e-4f);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.3981999507e-3f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(8.3334519073e-3f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(4.1665795894e-2f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.6666665459e-1f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(5.0000001201e-1f));
        p = Vector256.FusedMultiplyAdd(p, r * r, r) + Vector256<float>.One;
        return p * ((Vector256.ConvertToInt32(k) + Vector256.Create(127)) << 23).AsSingle();
    }
}
