using Edge.Training.Numerics;
using Edge.Training.Reference;

namespace Edge.Training.Layers;

/// <summary>Elman's simple recurrent layer (1990): h = tanh(W·x + R·h + b).</summary>
public sealed class ElmanLayer : RecurrentLayer
{
    private float[] _gradient = [];

    /// <summary>Starts with random weights.</summary>
    /// <param name="inputCount">I.</param>
    /// <param name="unitCount">U.</param>
    /// <param name="random">Where the weights come from.</param>
    public ElmanLayer(int inputCount, int unitCount, Random random)
        : base(inputCount, unitCount, 1, random, new Parameter("bias", 1, unitCount, false))
    {
    }

    internal override void Forward(ReadOnlySpan<float> x, Span<float> y, int strands)
    {
        int row = strands * UnitCount;
        int steps = x.Length / (strands * InputCount);
        Hidden.Begin(steps, row);
        Span<float> hidden = Hidden.Values.AsSpan(row, steps * row);
        for (int at = 0; at < hidden.Length; at += UnitCount)
        {
            Parameters[2].Value.CopyTo(hidden[at..]);
        }

        MatrixProduct.Add(x, Input.Value, hidden, steps * strands, InputCount, UnitCount);
        for (int t = 0; t < steps; t++)
        {
            Span<float> h = hidden.Slice(t * row, row);
            MatrixProduct.Add(Hidden.Values.AsSpan(t * row, row), Recurrent.Value, h, strands, UnitCount, UnitCount);
            VectorMath.Tanh(h);
        }

        hidden.CopyTo(y);
    }

    internal override void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int strands)
    {
        int row = strands * UnitCount;
        Grow(ref _gradient, dy.Length);
        BackThroughTime(dy, _gradient, strands, (t, dh) =>
        {
            Span<float> argument = _gradient.AsSpan(t * row, row);
            ReadOnlySpan<float> h = Hidden.Values.AsSpan((t + 1) * row, row);
            for (int j = 0; j < row; j++)
            {
                argument[j] = dh[j] * (1 - (h[j] * h[j]));
            }

            dh.Clear();
        });
        ReadOnlySpan<float> all = _gradient.AsSpan(0, dy.Length);
        AddGradients(x, all, all, dx);
        MatrixProduct.AddRows(all, Parameters[2].Gradient);
    }

    internal override FloatLayer ToReference() =>
        new FloatRnn(InputCount, UnitCount, Transposed(Input), Transposed(Recurrent), [.. Parameters[2].Value], FloatActivation.Tanh);
}
