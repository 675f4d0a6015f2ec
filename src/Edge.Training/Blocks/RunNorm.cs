using System.Runtime.Intrinsics;
using Edge.Training.Layers;
using Edge.Training.Numerics;
using Edge.Training.Reference;

namespace Edge.Training.Blocks;

/// <summary>
/// y = (x - mean) / √(variance + ε) in each of some runs of a row by itself: layer norm with one run, group norm with more. Without
/// weights: those of a norm before a product are part of the product.
/// </summary>
/// <param name="width">Values of a run, a multiple of 8.</param>
internal sealed class RunNorm(int width)
{
    // 1 / √(variance + ε) of each run.
    private float[] _gain = [];

    /// <param name="x">Runs, one after the other.</param>
    /// <param name="y">Receives as many.</param>
    internal void Forward(ReadOnlySpan<float> x, Span<float> y)
    {
        TrainableLayer.Grow(ref _gain, x.Length / width);
        for (int run = 0; run * width < x.Length; run++)
        {
            _gain[run] = Normalize(x.Slice(run * width, width), y.Slice(run * width, width));
        }
    }

    /// <summary>dx += the derivative by x.</summary>
    /// <param name="y">As received from <see cref="Forward"/>.</param>
    /// <param name="dy">Derivative by y.</param>
    /// <param name="dx">As many values.</param>
    internal void AddBack(ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx)
    {
        for (int run = 0; run * width < y.Length; run++)
        {
            AddBack(_gain[run], y.Slice(run * width, width), dy.Slice(run * width, width), dx.Slice(run * width, width));
        }
    }

    private static float Normalize(ReadOnlySpan<float> x, Span<float> y)
    {
        Vector256<float> sum = default;
        for (int j = 0; j < x.Length; j += 8)
        {
            sum += Vector256.Create(x[j..]);
        }

        Vector256<float> mean = Vector256.Create(VectorMath.Sum(sum) / x.Length);
        Vector256<float> squares = default;
        for (int j = 0; j < x.Length; j += 8)
        {
            Vector256<float> apart = Vector256.Create(x[j..]) - mean;
            squares += apart * apart;
        }

        float gain = 1 / MathF.Sqrt((VectorMath.Sum(squares) / x.Length) + FloatBlock.NormEpsilon);
        for (int j = 0; j < x.Length; j += 8)
        {
            ((Vector256.Create(x[j..]) - mean) * gain).CopyTo(y[j..]);
        }

        return gain;
    }

    // dx = gain·(dy - mean(dy) - y·mean(dy·y)).
    private static void AddBack(float gain, ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx)
    {
        Vector256<float> sum = default;
        Vector256<float> along = default;
        for (int j = 0; j < y.Length; j += 8)
        {
            Vector256<float> gradient = Vector256.Create(dy[j..]);
            sum += gradient;
            along += gradient * Vector256.Create(y[j..]);
        }

        Vector256<float> mean = Vector256.Create(VectorMath.Sum(sum) / y.Length);
        float slope = VectorMath.Sum(along) / y.Length;
        for (int j = 0; j < y.Length; j += 8)
        {
            Vector256<float> back = Vector256.Create(dy[j..]) - mean - (Vector256.Create(y[j..]) * slope);
            (Vector256.Create(dx[j..]) + (back * gain)).CopyTo(dx[j..]);
        }
    }
}
