using System.Numerics;
using System.Runtime.InteropServices;

namespace Edge.Quantize;

/// <summary>Sums of vectors of doubles, each element for itself: the same on every processor, however wide its vectors are.</summary>
internal static class Vectors
{
    /// <summary>sum += x·factor. A sum of another length is an error.</summary>
    internal static void AddScaled(Span<double> sum, ReadOnlySpan<double> x, double factor)
    {
        x = x[..sum.Length];
        Span<Vector<double>> sums = MemoryMarshal.Cast<double, Vector<double>>(sum);
        ReadOnlySpan<Vector<double>> values = MemoryMarshal.Cast<double, Vector<double>>(x);
        for (int i = 0; i < sums.Length; i++)
        {
            sums[i] += values[i] * factor;
        }

        for (int i = sums.Length * Vector<double>.Count; i < sum.Length; i++)
        {
            sum[i] += x[i] * factor;
        }
    }
}
