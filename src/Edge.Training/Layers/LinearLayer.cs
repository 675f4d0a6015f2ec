using Edge.Training.Numerics;
using Edge.Training.Reference;

namespace Edge.Training.Layers;

/// <summary>A dense layer without an activation: y = W·x + b.</summary>
public sealed class LinearLayer : TrainableLayer
{
    private readonly float[] _transposed;

    /// <summary>Starts with random weights.</summary>
    /// <param name="inputCount">I.</param>
    /// <param name="unitCount">U.</param>
    /// <param name="random">Where the weights come from.</param>
    public LinearLayer(int inputCount, int unitCount, Random random)
        : base(
            inputCount,
            unitCount,
            new Parameter("weight", inputCount, unitCount, true).Uniform(random, inputCount),
            new Parameter("bias", 1, unitCount, false)) => _transposed = new float[Weight.Value.Length];

    internal Parameter Weight => Parameters[0];

    internal Parameter Bias => Parameters[1];

    internal override void Forward(ReadOnlySpan<float> x, Span<float> y, int strands)
    {
        for (int at = 0; at < y.Length; at += UnitCount)
        {
            Bias.Value.CopyTo(y[at..]);
        }

        MatrixProduct.Add(x, Weight.Value, y, x.Length / InputCount, InputCount, UnitCount);
    }

    internal override void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int strands)
    {
        int rows = x.Length / InputCount;
        MatrixProduct.AddTransposed(x, dy, Weight.Gradient, InputCount, rows, UnitCount);
        MatrixProduct.AddRows(dy, Bias.Gradient);
        if (!dx.IsEmpty)
        {
            MatrixProduct.Transpose(Weight.Value, _transposed, InputCount, UnitCount);
            dx.Clear();
            MatrixProduct.Add(dy, _transposed, dx, rows, UnitCount, InputCount);
        }
    }

    internal override FloatLayer ToReference() => new FloatDense(InputCount, UnitCount, Transposed(Weight), [.. Bias.Value], FloatActivation.Linear);
}
