using System.Numerics;
using System.Runtime.InteropServices;
using Edge.Inference.Cells;
using Edge.Inference.Models;

namespace Edge.Inference.Kernels;

/// <summary>Steps one or many states of a model; holds scratch memory, so it belongs to one thread at a time.</summary>
internal abstract class ModelStepper(EdgeModel model)
{
    private readonly long[] _cellSaturations = new long[model.Layers.Sum(layer => layer.UnitCount)];
    private readonly long[] _hiddenSaturations = new long[model.Layers.Sum(layer => layer.UnitCount)];

    /// <summary>How often the cell state of each unit was clipped to int16, layer after layer.</summary>
    internal ReadOnlySpan<long> CellSaturations => _cellSaturations;

    /// <summary>How often the hidden state of each unit was clipped to int8, layer after layer.</summary>
    internal ReadOnlySpan<long> HiddenSaturations => _hiddenSaturations;

    /// <summary>The int16 output of the last layer that the last step left, of its first state.</summary>
    internal abstract ReadOnlySpan<short> LastOutput { get; }

    /// <summary>Steps <paramref name="count"/> states that lie one after the other.</summary>
    /// <param name="states">count·<see cref="EdgeModel.StateBytes"/> bytes.</param>
    /// <param name="x">What the first layer reads, count rows of <see cref="EdgeModel.FeatureCount"/>.</param>
    /// <param name="outputs">Receives count rows of <see cref="EdgeModel.OutputCount"/>.</param>
    /// <param name="count">At least 1.</param>
    internal void Step(Span<byte> states, ReadOnlySpan<short> x, Span<float> outputs, int count)
    {
        StepLayers(states, x, outputs, count);
        if (model.Lags is { } lags)
        {
            for (int s = 0; s < count; s++)
            {
                StepLags(
                    lags,
                    MemoryMarshal.Cast<byte, short>(states.Slice(s * model.StateBytes, model.States.LagBytes)),
                    x.Slice(s * model.FeatureCount, model.FeatureCount),
                    outputs.Slice(s * model.OutputCount, model.OutputCount));
            }
        }
    }

    /// <summary>All layers and the head.</summary>
    protected abstract void StepLayers(Span<byte> states, ReadOnlySpan<short> x, Span<float> outputs, int count);

    /// <summary>The regression beside them.</summary>
    protected abstract void StepLags(LagRegression lags, Span<short> state, ReadOnlySpan<short> x, Span<float> outputs);

    /// <summary>Counts what a kernel reports of up to 16 units from <paramref name="unit"/> on: low half cell, high half hidden.</summary>
    protected void CountSaturations(uint clipped, int unit)
    {
        for (; clipped != 0; clipped &= clipped - 1)
        {
            int bit = BitOperations.TrailingZeroCount(clipped);
            (bit < 16 ? _cellSaturations : _hiddenSaturations)[unit + (bit & 15)]++;
        }
    }

    /// <summary>Outputs of a model without a head: the last layer's int16 in their real value.</summary>
    protected static void StepWithoutHead(int fractionBits, ReadOnlySpan<short> output, Span<float> outputs)
    {
        float scale = MathF.ScaleB(1, -fractionBits);
        for (int j = 0; j < outputs.Length; j++)
        {
            outputs[j] = output[j] * scale;
        }
    }
}
