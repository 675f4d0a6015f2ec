using System.Runtime.InteropServices;
using Edge.Inference.Cells;
using Edge.Inference.Models;

namespace Edge.Inference.Kernels;

/// <summary>The whole model by <see cref="ScalarKernel"/>, state by state.</summary>
internal sealed class ScalarStepper : ModelStepper
{
    /// <summary>Receives the values of a step.</summary>
    internal delegate void Observer(int layer, ReadOnlySpan<short> gates, ReadOnlySpan<short> output);

    private readonly EdgeModel _model;
    private readonly short[] _x;
    private readonly short[] _h;
    private readonly short[] _output;
    private readonly short[] _gates;
    private readonly uint[] _clipped;
    private readonly short[] _differences;
    private readonly BlockStepper?[] _blocks;

    // Outputs that residual connections read.
    private readonly PinnedBuffer?[] _kept;
    private readonly PinnedBuffer _blockInput;
    private readonly PinnedBuffer _blockOutput;

    internal ScalarStepper(EdgeModel model)
        : base(model)
    {
        int units = model.Layers.Max(layer => layer.UnitCount);
        _model = model;
        _x = new short[model.Layers.Max(layer => layer.InputCount)];
        _h = new short[units];
        _output = new short[units];
        _gates = new short[4 * units];
        _clipped = new uint[units];
        _differences = new short[model.Lags?.ScratchCount ?? 0];
        _blockInput = PinnedBuffer.OfBlocks(units);
        _blockOutput = PinnedBuffer.OfBlocks(units);
        _blocks = new BlockStepper?[model.Layers.Length];
        _kept = [.. model.Layers.Select((_, l) => ResidualLayer.IsRead(model.Layers, l) ? PinnedBuffer.OfBlocks(units) : null)];
        int firstUnit = 0;
        for (int l = 0; l < _blocks.Length; l++)
        {
            int first = firstUnit;
            _blocks[l] = model.Layers[l] is BlockLayer block
                ? BlockStepper.Of(block, new ScalarBlockKernel(block), j => CountSaturations(1, first + j))
                : null;
            firstUnit += model.Layers[l].UnitCount;
        }
    }

    /// <summary>
    /// Called after each layer's step with its number, its gates (i, f, g, o of an LSTM; r, z, n of a GRU) and its output.
    /// </summary>
    internal Observer? Stepped { get; set; }

    internal override ReadOnlySpan<short> LastOutput => _output.AsSpan(0, _model.Layers[^1].UnitCount);

    protected override void StepLayers(Span<byte> states, ReadOnlySpan<short> x, Span<float> outputs, int count)
    {
        for (int s = 0; s < count; s++)
        {
            x.Slice(s * _model.FeatureCount, _model.FeatureCount).CopyTo(_x);
            Span<byte> state = states.Slice(s * _model.StateBytes, _model.StateBytes);
            int firstUnit = 0;
            for (int l = 0; l < _model.Layers.Length; l++)
            {
                if (_blocks[l] is { } block)
                {
                    StepBlock(l, block, state);
                }
                else
                {
                    StepLayer(l, state, firstUnit);
                }

                if (_kept[l] is { } kept)
                {
                    _output.AsSpan(0, _model.Layers[l].UnitCount).CopyTo(kept.As<short>());
                }

                firstUnit += _model.Layers[l].UnitCount;
            }

            Span<float> y = outputs.Slice(s * _model.OutputCount, _model.OutputCount);
            if (_model.Head is { } head)
            {
                ScalarKernel.StepHead(head, _output, y);
                OutputActivations.Apply(head, y);
            }
            else
            {
                StepWithoutHead(_model.Layers[^1].OutputFractionBits, _output, y);
            }
        }
    }

    protected override void StepLags(LagRegression lags, Span<short> state, ReadOnlySpan<short> x, Span<float> outputs) =>
        lags.Step(state, x, _differences, outputs);

    // From _x to _output; then leaves in _x what the next layer reads.
    private void StepLayer(int l, Span<byte> state, int firstUnit)
    {
        var layer = (GateLayer)_model.Layers[l];
        int units = layer.UnitCount;
        Span<short> wide = MemoryMarshal.Cast<byte, short>(state.Slice(_model.States.Wide[l], layer.WideStates * units * sizeof(short)));
        Span<sbyte> narrow = MemoryMarshal.Cast<byte, sbyte>(state.Slice(_model.States.Narrow[l], layer.NarrowStates * units));
        ReadOnlySpan<short> x = _x.AsSpan(0, layer.InputCount);
        Span<short> h = _h.AsSpan(0, layer.IsRecurrent ? units : 0);
        Span<short> output = _output.AsSpan(0, units);
        Span<uint> clipped = _clipped.AsSpan(0, units);
        clipped.Clear();
        switch (layer)
        {
            case LstmCell lstm:
                for (int j = 0; j < units; j++)
                {
                    h[j] = layer.IsNarrow ? narrow[j] : wide[units + j];
                }

                ScalarKernel.StepLstm(lstm, x, h, wide[..units], output, _gates, clipped);
                break;
            case GruCell gru:
                ReadState(layer, wide, h);
                wide.CopyTo(output);
                ScalarKernel.StepGru(gru, x, h, output, _gates);
                break;
            case RnnCell rnn:
                ReadState(layer, wide, h);
                ScalarKernel.StepSimple(rnn, rnn.Activation, x, h, output);
                break;
            case DenseLayer dense:
                ScalarKernel.StepSimple(dense, dense.Activation, x, h, output);
                if (dense.Table is { } table)
                {
                    ActivationTable.Apply(table, output);
                }

                break;
        }

        Stepped?.Invoke(l, _gates, output);

        // The next layer reads h in int8 if this one has it and the next is recurrent.
        bool narrowAbove = l + 1 < _model.Layers.Length && _model.Layers[l + 1].IsRecurrent && layer.IsNarrow;
        for (int j = 0; j < units; j++)
        {
            int rounded = layer.IsNarrow ? FixedPoint.MultiplyRound(output[j], layer.HiddenMultiplier[j]) : output[j];
            int h8 = layer.IsNarrow ? ScalarKernel.Narrow(output[j], layer.HiddenMultiplier[j]) : rounded;
            CountSaturations(clipped[j] | (h8 != rounded ? 1u << 16 : 0), firstUnit + j);
            if (layer.NarrowStates > 0)
            {
                narrow[j] = (sbyte)h8;
            }
            else if (layer.IsRecurrent)
            {
                wide[((layer.WideStates - 1) * units) + j] = output[j];
            }

            if (j < _x.Length)
            {
                _x[j] = (short)(narrowAbove ? h8 : output[j]);
            }
        }
    }

    private unsafe void StepBlock(int l, BlockStepper block, Span<byte> state)
    {
        int units = _model.Layers[l].UnitCount;
        _x.AsSpan(0, units).CopyTo(_blockInput.As<short>());
        if (block is ResidualStepper residual)
        {
            residual.SourceOutput = (short*)_kept[residual.Source]!.Pointer;
        }

        fixed (byte* wide = state[_model.States.Wide[l]..])
        {
            block.Step((short*)wide, (short*)_blockInput.Pointer, (short*)_blockOutput.Pointer);
        }

        Span<short> output = _output.AsSpan(0, units);
        _blockOutput.As<short>()[..units].CopyTo(output);
        if (Stepped is not null)
        {
            block.Trace(_gates);
            Stepped(l, _gates, output);
        }

        output[..Math.Min(units, _x.Length)].CopyTo(_x);
    }

    private static void ReadState(GateLayer layer, ReadOnlySpan<short> state, Span<short> h)
    {
        for (int j = 0; j < h.Length; j++)
        {
            h[j] = (short)(layer.IsNarrow ? ScalarKernel.Narrow(state[j], layer.HiddenMultiplier[j]) : state[j]);
        }
    }
}
