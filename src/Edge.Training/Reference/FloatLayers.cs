using Edge.Inference.Cells;

namespace Edge.Training.Reference;

/// <summary>One layer in plain float32. Rows of weights are gate-major: row = gate·U + unit.</summary>
internal abstract record FloatLayer(int InputCount, int UnitCount)
{
    /// <summary>Floats of cell state beside the hidden state; 0 for all but the LSTM.</summary>
    internal virtual int CellCount => 0;

    internal virtual bool IsRecurrent => true;

    /// <summary>Groups of rows, one row a unit in each.</summary>
    internal abstract int Gates { get; }

    /// <summary>Rows of scratch a step needs, each of U. A step leaves its gates there.</summary>
    internal abstract int ScratchRows { get; }

    /// <summary>Floats of scratch a step needs.</summary>
    internal virtual int ScratchCount => ScratchRows * UnitCount;

    /// <summary>Multiply-accumulates a step.</summary>
    internal virtual long Operations => (long)Gates * UnitCount * (InputCount + (IsRecurrent ? UnitCount : 0));

    /// <summary>Hidden state [U] that a stream starts from; null for zero.</summary>
    internal float[]? InitialHidden { get; init; }

    /// <summary>One step.</summary>
    /// <param name="x">[I].</param>
    /// <param name="h">Hidden state [U], updated: it is the layer's output.</param>
    /// <param name="c">Cell state, updated.</param>
    /// <param name="scratch">ScratchRows·U.</param>
    internal abstract void Step(ReadOnlySpan<float> x, Span<float> h, Span<float> c, Span<float> scratch);

    // A row of weights times values.
    internal static float Dot(float[] weights, int row, ReadOnlySpan<float> values) =>
        FloatDot.Of(weights.AsSpan(row * values.Length, values.Length), values);
}

/// <summary>LSTM (ONNX operator LSTM; gates here in the order i, f, g, o): c = f·c + i·g, h = o·h(c). A step leaves i, f, g, o.</summary>
/// <param name="InputCount">I.</param>
/// <param name="UnitCount">U.</param>
/// <param name="InputWeight">[4U, I].</param>
/// <param name="RecurrentWeight">[4U, U].</param>
/// <param name="Bias">[4U], both biases added.</param>
internal sealed record FloatLstm(
    int InputCount,
    int UnitCount,
    float[] InputWeight,
    float[] RecurrentWeight,
    float[] Bias) : FloatLayer(InputCount, UnitCount)
{
    internal override int CellCount => UnitCount;

    internal override int Gates => 4;

    internal override int ScratchRows => 4;

    /// <summary>Of i.</summary>
    internal FloatActivation Gate { get; init; } = FloatActivation.Sigmoid;

    /// <summary>Of f: <see cref="Gate"/>, but for a coupled hard sigmoid.</summary>
    internal FloatActivation Forget { get; init; } = FloatActivation.Sigmoid;

    /// <summary>Of g.</summary>
    internal FloatActivation Candidate { get; init; } = FloatActivation.Tanh;

    /// <summary>Of c.</summary>
    internal FloatActivation Cell { get; init; } = FloatActivation.Tanh;

    /// <summary>[3U] of i, f, o, or null.</summary>
    internal float[]? Peephole { get; init; }

    /// <summary>Bound of every gate's argument, or infinity.</summary>
    internal float Clip { get; init; } = float.PositiveInfinity;

    /// <summary>Cell state [U] that a stream starts from; null for zero.</summary>
    internal float[]? InitialCell { get; init; }

    internal override void Step(ReadOnlySpan<float> x, Span<float> h, Span<float> c, Span<float> scratch)
    {
        for (int r = 0; r < 4 * UnitCount; r++)
        {
            scratch[r] = Bias[r] + Dot(InputWeight, r, x) + Dot(RecurrentWeight, r, h);
        }

        for (int j = 0; j < UnitCount; j++)
        {
            float i = Gate.Apply(Argument(0, j, scratch, c[j]));
            float f = Forget.Apply(Argument(1, j, scratch, c[j]));
            float g = Candidate.Apply(Math.Clamp(scratch[(2 * UnitCount) + j], -Clip, Clip));
            c[j] = (f * c[j]) + (i * g);
            float o = Gate.Apply(Argument(3, j, scratch, c[j]));
            h[j] = o * Cell.Apply(c[j]);
            (scratch[j], scratch[UnitCount + j], scratch[(2 * UnitCount) + j], scratch[(3 * UnitCount) + j]) = (i, f, g, o);
        }
    }

    private float Argument(int gate, int j, ReadOnlySpan<float> z, float c)
    {
        float peephole = Peephole is null ? 0 : Peephole[((gate == 3 ? 2 : gate) * UnitCount) + j] * c;
        return Math.Clamp(z[(gate * UnitCount) + j] + peephole, -Clip, Clip);
    }
}

/// <summary>GRU (ONNX operator GRU; gates here in the order r, z, n): h = (1 - z)·n + z·h. A step leaves r, z, n, r·h.</summary>
/// <param name="InputCount">I.</param>
/// <param name="UnitCount">U.</param>
/// <param name="InputWeight">[3U, I].</param>
/// <param name="RecurrentWeight">[3U, U].</param>
/// <param name="InputBias">[3U]: b_W.</param>
/// <param name="RecurrentBias">[3U]: b_R; of n it is inside what r multiplies, if r multiplies the product.</param>
/// <param name="ResetAfterProduct">Whether r multiplies W_h·h + b (<c>linear_before_reset</c> 1) or h.</param>
internal sealed record FloatGru(
    int InputCount, int UnitCount, float[] InputWeight, float[] RecurrentWeight, float[] InputBias, float[] RecurrentBias,
    bool ResetAfterProduct)
    : FloatLayer(InputCount, UnitCount)
{
    internal override int Gates => 3;

    internal override int ScratchRows => 4;

    internal FloatActivation Gate { get; init; } = FloatActivation.Sigmoid;

    internal FloatActivation Candidate { get; init; } = FloatActivation.Tanh;

    internal float Clip { get; init; } = float.PositiveInfinity;

    /// <summary>r·h in what a step leaves.</summary>
    internal static ReadOnlySpan<float> ResetHidden(ReadOnlySpan<float> scratch, int units) => scratch.Slice(3 * units, units);

    internal override void Step(ReadOnlySpan<float> x, Span<float> h, Span<float> c, Span<float> scratch)
    {
        Span<float> r = scratch[..UnitCount];
        Span<float> z = scratch.Slice(UnitCount, UnitCount);
        Span<float> n = scratch.Slice(2 * UnitCount, UnitCount);
        Span<float> resetHidden = scratch.Slice(3 * UnitCount, UnitCount);
        for (int j = 0; j < UnitCount; j++)
        {
            int update = UnitCount + j;
            int candidate = (2 * UnitCount) + j;
            r[j] = Gate.Apply(Clamp(InputBias[j] + RecurrentBias[j] + Dot(InputWeight, j, x) + Dot(RecurrentWeight, j, h)));
            z[j] = Gate.Apply(
                Clamp(InputBias[update] + RecurrentBias[update] + Dot(InputWeight, update, x) + Dot(RecurrentWeight, update, h)));
            n[j] = InputBias[candidate] + Dot(InputWeight, candidate, x)
                + (ResetAfterProduct ? r[j] * (RecurrentBias[candidate] + Dot(RecurrentWeight, candidate, h)) : RecurrentBias[candidate]);
            resetHidden[j] = r[j] * h[j];
        }

        for (int j = 0; j < UnitCount; j++)
        {
            n[j] = Candidate.Apply(Clamp(n[j] + (ResetAfterProduct ? 0 : Dot(RecurrentWeight, (2 * UnitCount) + j, resetHidden))));
            h[j] = ((1 - z[j]) * n[j]) + (z[j] * h[j]);
        }
    }

    private float Clamp(float argument) => Math.Clamp(argument, -Clip, Clip);
}

/// <summary>Elman layer (ONNX operator RNN): h = f(W_x·x + W_h·h + b).</summary>
/// <param name="InputCount">I.</param>
/// <param name="UnitCount">U.</param>
/// <param name="InputWeight">[U, I].</param>
/// <param name="RecurrentWeight">[U, U].</param>
/// <param name="Bias">[U], both biases added.</param>
/// <param name="Activation">f.</param>
internal sealed record FloatRnn(
    int InputCount,
    int UnitCount,
    float[] InputWeight,
    float[] RecurrentWeight,
    float[] Bias,
    FloatActivation Activation)
    : FloatLayer(InputCount, UnitCount)
{
    internal override int Gates => 1;

    internal override int ScratchRows => 1;

    internal float Clip { get; init; } = float.PositiveInfinity;

    internal override void Step(ReadOnlySpan<float> x, Span<float> h, Span<float> c, Span<float> scratch)
    {
        for (int j = 0; j < UnitCount; j++)
        {
            scratch[j] = Activation.Apply(Math.Clamp(Bias[j] + Dot(InputWeight, j, x) + Dot(RecurrentWeight, j, h), -Clip, Clip));
        }

        scratch[..UnitCount].CopyTo(h);
    }
}

/// <summary>Dense layer: f(W·x + b); no state, what it writes to h is only its output.</summary>
/// <param name="InputCount">I.</param>
/// <param name="UnitCount">U.</param>
/// <param name="Weight">[U, I].</param>
/// <param name="Bias">[U].</param>
/// <param name="Activation">f.</param>
internal sealed record FloatDense(
    int InputCount,
    int UnitCount,
    float[] Weight,
    float[] Bias,
    FloatActivation Activation) : FloatLayer(InputCount, UnitCount)
{
    /// <summary>Activations of runs of units, in place of <see cref="Activation"/>; null for one of all. Only a head has them.</summary>
    internal IReadOnlyList<FloatSegment>? Segments { get; init; }

    internal override bool IsRecurrent => false;

    internal override int Gates => 1;

    internal override int ScratchRows => 0;

    internal override void Step(ReadOnlySpan<float> x, Span<float> h, Span<float> c, Span<float> scratch)
    {
        for (int j = 0; j < UnitCount; j++)
        {
            h[j] = Bias[j] + Dot(Weight, j, x);
        }

        if (Segments is null)
        {
            Activation.ApplyAll(h[..UnitCount]);
            return;
        }

        int begin = 0;
        foreach (FloatSegment segment in Segments)
        {
            segment.Activation.ApplyAll(h.Slice(begin, segment.Count));
            begin += segment.Count;
        }
    }
}

/// <summary>The activation of a run of units.</summary>
/// <param name="Count">How many.</param>
/// <param name="Activation">Which.</param>
internal readonly record struct FloatSegment(int Count, FloatActivation Activation);
