using System.Runtime.InteropServices;
using Edge.Inference.Cells;
using Edge.Inference.Models;

namespace Edge.Inference.Kernels;

/// <summary>The whole model by <see cref="ScalarKernel"/>, state by state.</summary>
internal sealed class ScalarStepper(EdgeModel model) : ModelStepper
{
    private readonly short[] _x = new short[model.Layers.Max(layer => layer.InputCount)];
    private readonly short[] _z = new short[4 * model.Layers.Max(layer => layer.HiddenCount)];
    private readonly short[] _hidden = new short[model.Layers.Max(layer => layer.HiddenCount)];

    internal override void Step(Span<byte> states, ReadOnlySpan<short> x, Span<float> outputs, int count)
    {
        for (int s = 0; s < count; s++)
        {
            StepOne(
                states.Slice(s * model.StateBytes, model.StateBytes),
                x.Slice(s * model.InputCount, model.InputCount),
                outputs.Slice(s * model.OutputCount, model.OutputCount));
        }
    }

    private void StepOne(Span<byte> state, ReadOnlySpan<short> x, Span<float> outputs)
    {
        Span<short> cells = MemoryMarshal.Cast<byte, short>(state[..(model.StateBytes / 3 * 2)]);
        Span<sbyte> hiddens = MemoryMarshal.Cast<byte, sbyte>(state[(model.StateBytes / 3 * 2)..]);
        x.CopyTo(_x);
        foreach (LstmCell layer in model.Layers)
        {
            Span<sbyte> h = hiddens[..layer.HiddenCount];
            ScalarKernel.StepLstm(layer, _x.AsSpan(0, layer.InputCount), h, cells[..layer.HiddenCount], _z, _hidden);
            for (int j = 0; j < h.Length && j < _x.Length; j++)
            {
                _x[j] = h[j];
            }

            cells = cells[layer.HiddenCount..];
            hiddens = hiddens[layer.HiddenCount..];
        }

        ScalarKernel.StepDense(model.Head, _hidden, outputs);
    }
}
