using Edge.Training.Numerics;
using Edge.Training.Reference;

namespace Edge.Training.Layers;

/// <summary>Elman's simple recurrent layer (1990): h = tanh(W·x + R·h + b).</summary>
public sealed class ElmanLayer : TrainableLayer
{
    private readonly float[] _recurrentTransposed;
    private readonly float[] _inputTransposed;
    private StateTape _hidden;
    private float[] _gradient = [];
    private float[] _carried = [];

    /// <summary>Starts with random weights.</summary>
    /// <param name="inputCount">I.</param>
    /// <param name="unitCount">U.</param>
    /// <param name="random">Where the weights come from.</param>
    public ElmanLayer(int inputCount, int unitCount, Random random)
        : base(
            inputCount,
            unitCount,
            new Parameter("input_weight", inputCount, unitCount, true).Uniform(random, unitCount),
            new Parameter("recurrent_weight", unitCount, unitCount, true).Uniform(random, unitCount),
            new Parameter("bias", 1, unitCount, false))
    {
        _recurrentTransposed = new float[Recurrent.Value.Length];
        _inputTransposed = new float[Input.Value.Length];
    }

    private Parameter Input => Parameters[0];

    private Parameter Recurrent => Parameters[1];

    internal override void Reset() => _hidden.Reset();

    internal override void Forward(ReadOnlySpan<float> x, Span<float> y, int strands)
    {
        int row = strands * UnitCount;
        int steps = x.Length / (strands * InputCount);
        _hidden.Begin(steps, row);
        Span<float> hidden = _hidden.Values.AsSpan(row, steps * row);
        for (int at = 0; at < hidden.Length; at += UnitCount)
        {
            Parameters[2].Value.CopyTo(hidden[at..]);
        }

        MatrixProduct.Add(x, Input.Value, hidden, steps * strands, InputCount, UnitCount);
        for (int t = 0; t < steps; t++)
        {
            Span<float> h = hidden.Slice(t * row, row);
            MatrixProduct.Add(_hidden.Values.AsSpan(t * row, row), Recurrent.Value, h, strands, UnitCount, UnitCount);
            VectorMath.Tanh(h);
        }

        hidden.CopyTo(y);
    }

    internal override void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int strands)
    {
        int row = strands * UnitCount;
        int steps = dy.Length / row;
        Grow(ref _gradient, steps * row);
        Grow(ref _carried, row);
        Span<float> hiddenGradient = _carried.AsSpan(0, row);
        hiddenGradient.Clear();
        MatrixProduct.Transpose(Recurrent.Value, _recurrentTransposed, UnitCount, UnitCount);
        for (int t = steps - 1; t >= 0; t--)
        {
            VectorMath.Add(dy.Slice(t * row, row), hiddenGradient);
            Span<float> argument = _gradient.AsSpan(t * row, row);
            ReadOnlySpan<float> h = y.Slice(t * row, row);
            for (int j = 0; j < row; j++)
            {
                argument[j] = hiddenGradient[j] * (1 - (h[j] * h[j]));
            }

            hiddenGradient.Clear();
            MatrixProduct.Add(argument, _recurrentTransposed, hiddenGradient, strands, UnitCount, UnitCount);
        }

        Span<float> all = _gradient.AsSpan(0, steps * row);
        MatrixProduct.AddTransposed(x, all, Input.Gradient, InputCount, steps * strands, UnitCount);
        MatrixProduct.AddTransposed(_hidden.Values, all, Recurrent.Gradient, UnitCount, steps * strands, UnitCount);
        MatrixProduct.AddRows(all, Parameters[2].Gradient);
        if (!dx.IsEmpty)
        {
            MatrixProduct.Transpose(Input.Value, _inputTransposed, InputCount, UnitCount);
            dx.Clear();
            MatrixProduct.Add(all, _inputTransposed, dx, steps * strands, UnitCount, InputCount);
        }
    }

    internal override FloatLayer ToReference() =>
        new FloatRnn(InputCount, UnitCount, Transposed(Input), Transposed(Recurrent), [.. Parameters[2].Value], FloatActivation.Tanh);
}
