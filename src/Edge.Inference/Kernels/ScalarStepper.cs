using System.Runtime.InteropServices;
using Edge.Inference.Cells;
using Edge.Inference.Models;

namespace Edge.Inference.Kernels;

/// <summary>The whole model by <see cref="ScalarKernel"/>, state by state.</summary>
internal sealed class ScalarStepper : ModelStepper
{
    private readonly EdgeModel _model;
    private readonly short[] _x;
    private readonly short[] _z;
    private readonly short[] _hidden;
    private readonly uint[] _clipped;

    internal ScalarStepper(EdgeModel model)
        : base(model)
    {
        int units = model.Layers.Max(layer => layer.HiddenCount);
        _model = model;
        _x = new short[model.Layers.Max(layer => layer.InputCount)];
        _z = new short[4 * units];
        _hidden = new short[units];
        _clipped = new uint[units];
    }

    internal override void Step(Span<byte> states, ReadOnlySpan<short> x, Span<float> outputs, int count)
    {
        for (int s = 0; s < count; s++)
        {
            StepOne(
                states.Slice(s * _model.StateBytes, _model.StateBytes),
                x.Slice(s * _model.InputCount, _model.InputCount),
                outputs.Slice(s * _model.OutputCount, _model.OutputCount));
        }
    }

    private void StepOne(Span<byte> state, ReadOnlySpan<short> x, Span<float> outputs)
    {
        Span<short> cells = MemoryMarshal.Cast<byte, short>(state[..(_model.StateBytes / 3 * 2)]);
        Span<sbyte> hiddens = MemoryMarshal.Cast<byte, sbyte>(state[(_model.StateBytes / 3 * 2)..]);
        x.CopyTo(_x);
        int unit = 0;
        foreach (LstmCell layer in _model.Layers)
        {
            Span<sbyte> h = hiddens[..layer.HiddenCount];
            ScalarKernel.StepLstm(layer, _x.AsSpan(0, layer.InputCount), h, cells[..layer.HiddenCount], _z, _hidden, _clipped);
            for (int j = 0; j < layer.HiddenCount; j++)
            {
                CountSaturations(_clipped[j], unit + j);
            }

            unit += layer.HiddenCount;
            for (int j = 0; j < h.Length && j < _x.Length; j++)
            {
                _x[j] = h[j];
            }

            cells = cells[layer.HiddenCount..];
            hiddens = hiddens[layer.HiddenCount..];
        }

        ScalarKernel.StepDense(_model.Head, _hidden, outputs);
    }
}
