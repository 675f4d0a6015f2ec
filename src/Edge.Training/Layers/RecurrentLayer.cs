using Edge.Training.Numerics;

namespace Edge.Training.Layers;

/// <summary>
/// A layer with a hidden state that is carried from sequence to sequence: gates of W·x and R·h, G·U values a step. Its first two parameters
/// are W [I, G·U] and R [U, G·U].
/// </summary>
public abstract class RecurrentLayer : TrainableLayer
{
    private readonly float[] _inputTransposed;
    private readonly float[] _recurrentTransposed;
    private float[] _hiddenGradient = [];

    private protected RecurrentLayer(int inputCount, int unitCount, int gates, Random random, params Parameter[] biases)
        : base(
            inputCount,
            unitCount,
            [
                new Parameter("input_weight", inputCount, gates * unitCount, true).Uniform(random, unitCount),
                new Parameter("recurrent_weight", unitCount, gates * unitCount, true).Uniform(random, unitCount),
                .. biases,
            ])
    {
        GateWidth = gates * unitCount;
        _inputTransposed = new float[Input.Value.Length];
        _recurrentTransposed = new float[Recurrent.Value.Length];
    }

    /// <summary>G·U.</summary>
    private protected int GateWidth { get; }

    private protected Parameter Input => Parameters[0];

    private protected Parameter Recurrent => Parameters[1];

    /// <summary>h before each step and after the last one.</summary>
    private protected StateTape Hidden { get; } = new();

    internal override void Reset() => Hidden.Reset();

    /// <summary>Goes back through the steps: each gets the derivative by its h, of the outputs and of the step after.</summary>
    /// <param name="dy">[T, B, U].</param>
    /// <param name="byProduct">[T, B, G·U], filled by the steps: the derivative by R·h.</param>
    /// <param name="strands">B.</param>
    /// <param name="back">
    /// Takes the step and the derivative by its h [B, U]; leaves there what reaches the h before it other than through R·h.
    /// </param>
    private protected void BackThroughTime(ReadOnlySpan<float> dy, float[] byProduct, int strands, BackStep back)
    {
        int row = strands * UnitCount;
        int gateRow = strands * GateWidth;
        Grow(ref _hiddenGradient, row);
        Span<float> dh = _hiddenGradient.AsSpan(0, row);
        dh.Clear();
        MatrixProduct.Transpose(Recurrent.Value, _recurrentTransposed, UnitCount, GateWidth);
        for (int t = (dy.Length / row) - 1; t >= 0; t--)
        {
            VectorMath.Add(dy.Slice(t * row, row), dh);
            back(t, dh);
            MatrixProduct.Add(byProduct.AsSpan(t * gateRow, gateRow), _recurrentTransposed, dh, strands, GateWidth, UnitCount);
        }
    }

    /// <summary>Adds to the gradients of both weights, and gives the derivative by x where it is needed.</summary>
    private protected void AddGradients(ReadOnlySpan<float> x, ReadOnlySpan<float> byInput, ReadOnlySpan<float> byProduct, Span<float> dx)
    {
        int rows = x.Length / InputCount;
        MatrixProduct.AddTransposed(x, byInput, Input.Gradient, InputCount, rows, GateWidth);
        MatrixProduct.AddTransposed(Hidden.Values, byProduct, Recurrent.Gradient, UnitCount, rows, GateWidth);
        if (!dx.IsEmpty)
        {
            MatrixProduct.Transpose(Input.Value, _inputTransposed, InputCount, GateWidth);
            dx.Clear();
            MatrixProduct.Add(byInput, _inputTransposed, dx, rows, GateWidth, InputCount);
        }
    }

    private protected delegate void BackStep(int step, Span<float> dh);
}
