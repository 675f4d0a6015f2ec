using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Edge.Training.Reference;

/// <summary>Products of float32 vectors.</summary>
internal static class FloatDot
{
    /// <summary>Σ w·v, in thirty-two sums in a fixed order: the same result on every processor, whatever its vectors are.</summary>
    internal static float Of(ReadOnlySpan<float> weights, ReadOnlySpan<float> values)
    {
        if (!Vector128.IsHardwareAccelerated)
        {
            return WithoutVectors(weights, values);
        }

        ref float w = ref MemoryMarshal.GetReference(weights);
        ref float v = ref MemoryMarshal.GetReference(values);
        int i = 0;
        Vector256<float> a = default;
        Vector256<float> b = default;
        Vector256<float> c = default;
        Vector256<float> d = default;
        for (; i + 32 <= values.Length; i += 32)
        {
            a += Vector256.LoadUnsafe(ref w, (nuint)i) * Vector256.LoadUnsafe(ref v, (nuint)i);
            b += Vector256.LoadUnsafe(ref w, (nuint)i + 8) * Vector256.LoadUnsafe(ref v, (nuint)i + 8);
            c += Vector256.LoadUnsafe(ref w, (nuint)i + 16) * Vector256.LoadUnsafe(ref v, (nuint)i + 16);
            d += Vector256.LoadUnsafe(ref w, (nuint)i + 24) * Vector256.LoadUnsafe(ref v, (nuint)i + 24);
        }

        for (; i + 8 <= values.Length; i += 8)
        {
            a += Vector256.LoadUnsafe(ref w, (nuint)i) * Vector256.LoadUnsafe(ref v, (nuint)i);
        }

        Vector256<float> all = (a + b) + (c + d);
        Vector128<float> half = all.GetLower() + all.GetUpper();
        float sum = (half.GetElement(0) + half.GetElement(1)) + (half.GetElement(2) + half.GetElement(3));
        for (; i < values.Length; i++)
        {
            sum += Unsafe.Add(ref w, i) * Unsafe.Add(ref v, i);
        }

        return sum;
    }

    // The same sums in the same order where the processor has no vectors: emulated ones would take fifty times as long.
    private static float WithoutVectors(ReadOnlySpan<float> w, ReadOnlySpan<float> v)
    {
        Span<float> lanes = stackalloc float[32];
        lanes.Clear();
        int i = 0;
        for (; i + 32 <= v.Length; i += 32)
        {
            for (int lane = 0; lane < 32; lane++)
            {
                lanes[lane] += w[i + lane] * v[i + lane];
            }
        }

        for (; i + 8 <= v.Length; i += 8)
        {
            for (int lane = 0; lane < 8; lane++)
            {
                lanes[lane] += w[i + lane] * v[i + lane];
            }
        }

        for (int lane = 0; lane < 8; lane++)
        {
            lanes[lane] = (lanes[lane] + lanes[8 + lane]) + (lanes[16 + lane] + lanes[24 + lane]);
        }

        float sum = ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
        for (; i < v.Length; i++)
        {
            sum += w[i] * v[i];
        }

        return sum;
    }
}
