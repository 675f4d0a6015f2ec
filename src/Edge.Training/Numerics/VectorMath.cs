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
