using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>
/// What a dense head does with its float outputs, in float32 operations that IEEE 754 fixes to the last bit: no library function,
/// so that every processor gives the same bytes.
/// </summary>
internal static class OutputActivations
{
    /// <summary>The activation of a head, or those of its runs of outputs.</summary>
    internal static void Apply(DenseHead head, Span<float> y)
    {
        if (head.Segments is null)
        {
            Apply(head.Activation, y);
            return;
        }

        int begin = 0;
        foreach (HeadSegment segment in head.Segments)
        {
            Apply(segment.Activation, y.Slice(begin, segment.Count));
            begin += segment.Count;
        }
    }

    private static void Apply(OutputActivation activation, Span<float> y)
    {
        switch (activation)
        {
            case OutputActivation.Relu:
                for (int i = 0; i < y.Length; i++)
                {
                    y[i] = y[i] > 0 ? y[i] : 0;
                }

                break;
            case OutputActivation.Sigmoid:
                for (int i = 0; i < y.Length; i++)
                {
                    y[i] = 1 / (1 + Exp(-y[i]));
                }

                break;
            case OutputActivation.Tanh:
                for (int i = 0; i < y.Length; i++)
                {
                    float e = Exp(-2 * y[i]);
                    y[i] = (1 - e) / (1 + e);
                }

                break;
            case OutputActivation.Softmax:
                Softmax(y);
                break;
            case OutputActivation.LogSoftmax:
                LogSoftmax(y);
                break;
        }
    }

    /// <summary>
    /// EXP: e^v for v clamped to ±80, within 3e-7 of it relatively. v = k·ln 2 + r, a polynomial of r (Cephes' expf, Moshier), times 2^k.
    /// </summary>
    internal static float Exp(float v)
    {
        v = v < -80 ? -80 : v > 80 ? 80 : v;
        float k = MathF.Floor((v * 1.44269504f) + 0.5f);
        float r = v - (k * 0.693359375f);
        r -= k * -2.12194440e-4f;
        float p = 1.9875691500e-4f;
        p = (p * r) + 1.3981999507e-3f;
        p = (p * r) + 8.3334519073e-3f;
        p = (p * r) + 4.1665795894e-2f;
        p = (p * r) + 1.6666665459e-1f;
        p = (p * r) + 5.0000001201e-1f;
        p = (p * (r * r)) + r;
        p += 1;
        return p * BitConverter.Int32BitsToSingle(((int)k + 127) << 23);
    }

    /// <summary>
    /// LOG: the natural logarithm of v from 1 to 2^24, within 1e-7 of it over 1 + |log v|. v = 2^e·m with m from √½ to √2, a polynomial
    /// of m - 1 (Cephes' logf, Moshier).
    /// </summary>
    internal static float Log(float v)
    {
        int bits = BitConverter.SingleToInt32Bits(v);
        float e = (bits >> 23) - 126;
        float m = BitConverter.Int32BitsToSingle((bits & 0x7FFFFF) | (126 << 23));
        bool isSmall = m < 0.707106781f;
        e -= isSmall ? 1 : 0;
        float x = isSmall ? m + m : m;
        x -= 1;
        float p = 7.0376836292e-2f;
        p = (p * x) - 1.1514610310e-1f;
        p = (p * x) + 1.1676998740e-1f;
        p = (p * x) - 1.2420140846e-1f;
        p = (p * x) + 1.4249322787e-1f;
        p = (p * x) - 1.6668057665e-1f;
        p = (p * x) + 2.0000714765e-1f;
        p = (p * x) - 2.4999993993e-1f;
        p = (p * x) + 3.3333331174e-1f;
        float z = x * x;
        float y = (p * x) * z;
        y += -2.12194440e-4f * e;
        y -= 0.5f * z;
        return (x + y) + (0.693359375f * e);
    }

    private static float Largest(ReadOnlySpan<float> y)
    {
        float largest = y[0];
        foreach (float value in y)
        {
            largest = value > largest ? value : largest;
        }

        return largest;
    }

    private static void LogSoftmax(Span<float> y)
    {
        float largest = Largest(y);
        float sum = 0;
        foreach (float value in y)
        {
            sum += Exp(value - largest);
        }

        float log = Log(sum);
        for (int i = 0; i < y.Length; i++)
        {
            y[i] = (y[i] - largest) - log;
        }
    }

    private static void Softmax(Span<float> y)
    {
        float largest = Largest(y);
        float sum = 0;
        for (int i = 0; i < y.Length; i++)
        {
            y[i] = Exp(y[i] - largest);
            sum += y[i];
        }

        for (int i = 0; i < y.Length; i++)
        {
            y[i] /= sum;
        }
    }
}
