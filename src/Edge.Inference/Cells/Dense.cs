using Edge.Inference.Models;

namespace Edge.Inference.Cells;

/// <summary>A dense head: y_r = (Σ w_rj·hidden_j + b_r)·s_r, int8 weights, Q0.15 hidden state, int32 accumulator, float out.</summary>
internal sealed class Dense
{
    internal Dense(int inputCount, int outputCount, sbyte[] weight, int[] bias, float[] scale)
    {
        InputCount = inputCount;
        OutputCount = outputCount;
        Weight = weight;
        Bias = bias;
        Scale = scale;
    }

    internal int InputCount { get; }

    internal int OutputCount { get; }

    /// <summary>int8 [O, H].</summary>
    internal sbyte[] Weight { get; }

    /// <summary>int32 [O], in units of <see cref="Scale"/>.</summary>
    internal int[] Bias { get; }

    /// <summary>float32 [O]: output per unit of the accumulator.</summary>
    internal float[] Scale { get; }

    /// <summary>Refuses parameters with which a step could overflow or produce a value that is not finite.</summary>
    internal void Validate(string name)
    {
        AccumulatorBound.RequireWeights(name + ".weight", Weight);
        for (int row = 0; row < OutputCount; row++)
        {
            AccumulatorBound.RequireFits(name + ".weight", Weight.AsSpan(row * InputCount, InputCount), InputCount, short.MaxValue, Math.Abs((long)Bias[row]));
            if (!float.IsFinite(Scale[row] * 2147483648f) || Scale[row] < 0)
            {
                throw new ModelFormatException($"{name}.scale: element {row} is {Scale[row]}; a scale is finite and not negative. The file is damaged or not made by edge-quantize.");
            }
        }
    }
}
