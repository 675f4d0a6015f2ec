using System.Runtime.InteropServices;
using Edge.Inference.Cells;
using Edge.Inference.Kernels;
using Edge.Inference.Models;

namespace Edge.Inference;

/// <summary>
/// Steps an int8 model by the scalar kernel and keeps what each layer's gates, cell and output were, in real numbers. All kernels give
/// the same bytes, so this is also what a session with the same readings has.
/// </summary>
internal sealed class CellTrace
{
    private readonly EdgeModel _model;
    private readonly ScalarStepper _stepper;
    private readonly byte[] _state;
    private readonly short[] _x;
    private readonly float[][] _gates;
    private readonly float[][] _outputs;

    internal CellTrace(EdgeModel model)
    {
        _model = model;
        _state = model.States.Initial.ToArray();
        _x = new short[model.FeatureCount];
        _gates = model.Layers.Select(layer => new float[GateNames(layer).Length * layer.UnitCount]).ToArray();
        _outputs = model.Layers.Select(layer => new float[layer.UnitCount]).ToArray();
        _stepper = new ScalarStepper(model) { Stepped = Keep };
    }

    /// <summary>Names of what <see cref="Gates"/> holds, U values of each.</summary>
    internal static string[] GateNames(Layer layer) => layer switch
    {
        LstmCell => ["input gate i", "forget gate f", "candidate g", "output gate o"],
        GruCell => ["reset gate r", "update gate z", "candidate n"],
        SlstmBlock => ["share of this step i/n", "candidate z", "output gate o", "memory c/n", "stabilizer m + log n"],
        MlstmBlock => ["share of this step i/n", "forget gate f", "stabilizer m + log n"],
        _ => [],
    };

    internal ReadOnlySpan<float> Gates(int layer) => _gates[layer];

    internal ReadOnlySpan<float> Output(int layer) => _outputs[layer];

    /// <summary>Cell state of one unit of an LSTM layer.</summary>
    internal float Cell(int layer, int unit)
    {
        var cell = (LstmCell)_model.Layers[layer];
        return MathF.ScaleB(MemoryMarshal.Cast<byte, short>(_state.AsSpan(_model.States.Wide[layer]))[unit], -cell.CellFractionBits[unit]);
    }

    /// <summary>Continues from the state that a session saved.</summary>
    /// <exception cref="ModelFormatException">The bytes are damaged or another model's.</exception>
    internal void Restore(ReadOnlySpan<byte> saved) => StateFormat.Unwrap(saved, StateKind.Int8, _model.Sha256, _state);

    /// <summary>Whether a session that saved these bytes is where this trace is.</summary>
    internal bool IsAt(ReadOnlySpan<byte> saved) =>
        saved.Length == StateFormat.HeaderBytes + _state.Length + StateFormat.TrailerBytes
            && saved.Slice(StateFormat.HeaderBytes, _state.Length).SequenceEqual(_state);

    internal void Step(ReadOnlySpan<float> inputs, Span<float> outputs)
    {
        InputQuantizer.RequireUsable(_model, inputs);
        InputQuantizer.Quantize(_model, inputs, _x, default);
        _stepper.Step(_state, _x, outputs, 1);
    }

    private void Keep(int l, ReadOnlySpan<short> gates, ReadOnlySpan<short> output)
    {
        Layer layer = _model.Layers[l];
        if (layer is BlockLayer block)
        {
            KeepBlock(block, l, gates);
        }

        for (int i = 0; layer is GateLayer && i < _gates[l].Length; i++)
        {
            // Q0.15, but for a relu candidate, which is in the cell's or the output's format.
            bool isOpen = i / layer.UnitCount == 2
                && layer is LstmCell { CandidateActivation: Activation.Ramp } or GruCell { CandidateActivation: Activation.Ramp };
            int bits = !isOpen ? 15 : layer is LstmCell lstm ? lstm.CellFractionBits[0] : layer.OutputFractionBits;
            _gates[l][i] = MathF.ScaleB(gates[i], -bits);
        }

        for (int j = 0; j < output.Length; j++)
        {
            _outputs[l][j] = MathF.ScaleB(output[j], -layer.OutputFractionBits);
        }
    }

    // The gates are Q0.15; memory and stabilizer are in the state.
    private void KeepBlock(BlockLayer block, int l, ReadOnlySpan<short> gates)
    {
        float[] kept = _gates[l];
        int units = block.UnitCount;
        ReadOnlySpan<short> state = MemoryMarshal.Cast<byte, short>(_state.AsSpan(_model.States.Wide[l]));
        int ofGates = block is SlstmBlock ? 3 * units : block is MlstmBlock ? 2 * units : 0;
        for (int i = 0; i < ofGates; i++)
        {
            kept[i] = MathF.ScaleB(gates[i], -15);
        }

        for (int j = 0; j < units && ofGates > 0; j++)
        {
            if (block is SlstmBlock)
            {
                kept[(3 * units) + j] = MathF.ScaleB(Int(state, units + (2 * j)), -LogArithmetic.MeanBits);
                kept[(4 * units) + j] = Log(Int(state, (3 * units) + (2 * j)));
            }
            else if (block is MlstmBlock mlstm)
            {
                int head = j * mlstm.Heads / units;
                kept[(2 * units) + j] = Log(Int(state, ((head + 1) * mlstm.HeadStates) - 2));
            }
        }

        static int Int(ReadOnlySpan<short> state, int at) => MemoryMarshal.Read<int>(MemoryMarshal.AsBytes(state.Slice(at, 2)));

        static float Log(int log) => (float)(Math.ScaleB(log, -LogArithmetic.LogBits) * Math.Log(2));
    }
}
