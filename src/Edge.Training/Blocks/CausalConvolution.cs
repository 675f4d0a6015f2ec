using System.Runtime.Intrinsics;
using Edge.Training.Layers;
using Edge.Training.Numerics;
using Edge.Training.Reference;

namespace Edge.Training.Blocks;

/// <summary>
/// A convolution of each channel by itself over the last K rows, and SiLU: y = a·σ(a), a = b + Σ_k w_k·x[t - K + 1 + k]. The K - 1 rows
/// before are carried from sequence to sequence; before the first there are zeros.
/// </summary>
internal sealed class CausalConvolution
{
    private readonly int _width;
    private readonly int _taps;
    private readonly StateTape _rows;

    // a and σ(a): [T, B, W].
    private float[] _argument = [];
    private float[] _open = [];

    /// <summary>Starts with random weights.</summary>
    /// <param name="width">W: channels, a multiple of 8.</param>
    /// <param name="taps">K, at least 1.</param>
    /// <param name="random">Where the weights come from.</param>
    internal CausalConvolution(int width, int taps, Random random)
    {
        (_width, _taps) = (width, taps);
        _rows = new StateTape(taps - 1);
        Weight = new Parameter("convolution_weight", taps, width, true).Uniform(random, taps);
        Bias = new Parameter("convolution_bias", 1, width, false);
    }

    /// <summary>[K, W], the oldest row first.</summary>
    internal Parameter Weight { get; }

    /// <summary>[W].</summary>
    internal Parameter Bias { get; }

    internal void Reset() => _rows.Reset();

    /// <param name="x">[T, B, W].</param>
    /// <param name="y">Receives [T, B, W].</param>
    /// <param name="strands">B.</param>
    internal void Forward(ReadOnlySpan<float> x, Span<float> y, int strands)
    {
        int row = strands * _width;
        _rows.Begin(x.Length / row, row);
        x.CopyTo(_rows.Values.AsSpan((_taps - 1) * row));
        TrainableLayer.Grow(ref _argument, x.Length);
        TrainableLayer.Grow(ref _open, x.Length);
        for (int at = 0; at < x.Length; at += 8)
        {
            int channel = at % _width;
            Vector256<float> a = Vector256.Create(Bias.Value.AsSpan(channel));
            for (int k = 0; k < _taps; k++)
            {
                a += Vector256.Create(Weight.Value.AsSpan((k * _width) + channel)) * Vector256.Create(_rows.Values.AsSpan(at + (k * row)));
            }

            Vector256<float> open = VectorMath.SigmoidOf(a);
            a.CopyTo(_argument.AsSpan(at));
            open.CopyTo(_open.AsSpan(at));
            (a * open).CopyTo(y[at..]);
        }
    }

    /// <summary>Adds to the gradients of the weights and to the derivative by x; the rows before the sequence are taken as given.</summary>
    /// <param name="dy">[T, B, W].</param>
    /// <param name="dx">[T, B, W].</param>
    /// <param name="strands">B.</param>
    internal void Backward(ReadOnlySpan<float> dy, Span<float> dx, int strands)
    {
        int row = strands * _width;
        for (int at = 0; at < dy.Length; at += 8)
        {
            int channel = at % _width;
            Vector256<float> da = Vector256.Create(dy[at..])
                * VectorMath.SiluSlope(Vector256.Create(_argument.AsSpan(at)), Vector256.Create(_open.AsSpan(at)));
            VectorMath.AddTo(Bias.Gradient.AsSpan(channel), da);
            for (int k = 0; k < _taps; k++)
            {
                int weight = (k * _width) + channel;
                int from = at + ((k - _taps + 1) * row);
                VectorMath.AddTo(Weight.Gradient.AsSpan(weight), da * Vector256.Create(_rows.Values.AsSpan(at + (k * row))));
                if (from >= 0)
                {
                    VectorMath.AddTo(dx[from..], da * Vector256.Create(Weight.Value.AsSpan(weight)));
                }
            }
        }
    }

    internal FloatConvolution ToReference()
    {
        var weight = new float[Weight.Value.Length];
        MatrixProduct.Transpose(Weight.Value, weight, _taps, _width);
        return new FloatConvolution(_width, _taps, weight, [.. Bias.Value]);
    }
}
