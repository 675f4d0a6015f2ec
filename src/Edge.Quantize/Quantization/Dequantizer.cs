using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Training.Reference;

namespace Edge.Quantize.Quantization;

/// <summary>An int8 layer's weights in real numbers again: the float model with one gate's weights as int8 has them.</summary>
internal sealed class Dequantizer
{
    private readonly FloatModel _model;
    private readonly EdgeModel _quantized;
    private readonly int _layer;
    private readonly Operand _arriving;
    private readonly Operand _hidden;

    internal Dequantizer(FloatModel model, EdgeModel quantized, int layer)
    {
        _model = model;
        _quantized = quantized;
        _layer = layer;
        _arriving = Arriving();
        _hidden = quantized.Layers[layer].IsRecurrent ? Operand.OfHidden(quantized.Layers[layer]) : new Operand([], 1);
    }

    /// <summary>Names of a layer's gates.</summary>
    internal static string[] GateNames(FloatLayer layer) => layer switch
    {
        FloatLstm => ["input", "forget", "cell", "output"],
        FloatGru => ["reset", "update", "candidate"],
        FloatBlock block => [.. block.Products.Select(product => product.Name)],
        FloatResidual => [],
        _ => ["all"],
    };

    /// <summary>The float model with one gate's weights and biases replaced by what the integers stand for.</summary>
    internal FloatModel With(int gate)
    {
        FloatLayer layer = _model.Layers[_layer];
        FloatLayer replaced = (layer, _quantized.Layers[_layer]) switch
        {
            (FloatLstm f, LstmCell q) => f with
            {
                InputWeight = Rows(f.InputWeight, q, gate, Plan(f, q, gate), isInput: true),
                RecurrentWeight = Rows(f.RecurrentWeight, q, gate, Plan(f, q, gate), isInput: false),
                Bias = Biases(f.Bias, q, gate, gate, Plan(f, q, gate), isInput: true),
            },
            (FloatGru f, GruCell q) => f with
            {
                InputWeight = Rows(f.InputWeight, q, gate, Plan(f, q, gate), isInput: true),
                RecurrentWeight = Rows(f.RecurrentWeight, q, gate, Plan(f, q, gate), isInput: false),
                InputBias = GruInputBias(f, q, gate),
                RecurrentBias = q.ResetAfterProduct && gate == 2
                    ? Biases(f.RecurrentBias, q, 2, 3, Plan(f, q, 2) with { Term = 0 }, isInput: false)
                    : f.RecurrentBias,
            },
            (FloatRnn f, RnnCell q) => f with
            {
                InputWeight = Rows(f.InputWeight, q, 0, Plan(f, q, 0), isInput: true),
                RecurrentWeight = Rows(f.RecurrentWeight, q, 0, Plan(f, q, 0), isInput: false),
                Bias = Biases(f.Bias, q, 0, 0, Plan(f, q, 0), isInput: true),
            },
            (FloatDense f, DenseLayer q) => f with
            {
                Weight = Rows(f.Weight, q, 0, Plan(f, q, 0), isInput: true),
                Bias = Biases(f.Bias, q, 0, 0, Plan(f, q, 0), isInput: true),
            },
            (FloatBlock f, BlockLayer q) => BlockDequantizer.With(f, q, gate),
            _ => throw new InvalidOperationException("The models do not have the same layers."),
        };
        return _model with { Layers = [.. _model.Layers.Select((each, l) => l == _layer ? replaced : each)] };
    }

    /// <summary>The float model with the head's weights as int8 has them.</summary>
    internal static FloatModel WithHead(FloatModel model, EdgeModel quantized)
    {
        DenseHead head = quantized.Head!;
        int bits = quantized.Layers[^1].OutputFractionBits;
        float[] weight = head.Weight.Select((w, at) => (float)Math.ScaleB(w * (double)head.Scale[at / head.InputCount], bits)).ToArray();
        return model with { Head = model.Head! with { Weight = weight, Bias = head.Bias.Select((b, r) => b * head.Scale[r]).ToArray() } };
    }

    private Operand Arriving()
    {
        if (_layer > 0)
        {
            Layer below = _quantized.Layers[_layer - 1];
            return below.IsNarrow && _quantized.Layers[_layer].IsRecurrent ? Operand.OfHidden(below) : Operand.OfOutput(below);
        }

        return ModelQuantizer.InputOperand(_model, _quantized.InputOffset, _quantized.InputScale);
    }

    private static ArgumentPlan Plan(FloatLayer layer, Layer q, int gate) => layer switch
    {
        FloatLstm lstm =>
            ArgumentPlan.Of(gate switch { 1 => lstm.Forget, 2 => lstm.Candidate, _ => lstm.Gate }, ((LstmCell)q).CellFractionBits[0], ""),
        FloatGru { ResetAfterProduct: true } gru when gate == 2 => ArgumentPlan.Of(gru.Candidate, q.OutputFractionBits, "").Halved,
        FloatGru gru => ArgumentPlan.Of(gate == 2 ? gru.Candidate : gru.Gate, q.OutputFractionBits, ""),
        FloatRnn rnn => ArgumentPlan.Of(rnn.Activation, q.OutputFractionBits, ""),
        FloatDense dense when ArgumentPlan.IsTable(dense.Activation) =>
            ArgumentPlan.OfTable(((DenseLayer)q).ArgumentFractionBits, q.OutputFractionBits),
        _ => ArgumentPlan.Of(((FloatDense)layer).Activation, q.OutputFractionBits, ""),
    };

    private float[] Rows(float[] trained, GateLayer q, int gate, ArgumentPlan plan, bool isInput)
    {
        (short[] weight, short[] multiplier, int shift, Operand operand) = isInput
            ? (q.InputWeight, q.InputMultiplier, q.InputShift, _arriving)
            : (q.RecurrentWeight, q.RecurrentMultiplier, q.RecurrentShift, _hidden);
        float[] rows = [.. trained];
        int columns = operand.Scale.Length;
        for (int r = gate * q.UnitCount; r < (gate + 1) * q.UnitCount; r++)
        {
            double unit = Math.ScaleB(multiplier[r] / plan.Steps, -shift - q.GateShift) / plan.Factor;
            for (int j = 0; j < columns; j++)
            {
                rows[(r * columns) + j] = (float)(weight[(r * columns) + j] * unit / operand.Scale[j]);
            }
        }

        return rows;
    }

    // The bias of the file contains what an offset of the inputs adds; the float model's does not.
    private float[] Biases(float[] trained, GateLayer q, int gate, int bias, ArgumentPlan plan, bool isInput)
    {
        float[] biases = [.. trained];
        float[] weights = isInput ? Rows(new float[q.InputWeight.Length], q, gate, plan, isInput: true) : [];
        int inputs = _arriving.Scale.Length;
        for (int u = 0; u < q.UnitCount; u++)
        {
            double value = ((Math.ScaleB(q.Bias[(bias * q.UnitCount) + u] / plan.Steps, -q.GateShift)) - plan.Term) / plan.Factor;
            for (int j = 0; j < inputs && isInput; j++)
            {
                value -= weights[(((gate * q.UnitCount) + u) * inputs) + j] * _arriving.Offset[j];
            }

            biases[(gate * q.UnitCount) + u] = (float)value;
        }

        return biases;
    }

    // The file has the sum of both biases, but for the candidate whose two sums are kept apart.
    private float[] GruInputBias(FloatGru f, GruCell q, int gate)
    {
        float[] biases = Biases(f.InputBias, q, gate, gate, Plan(f, q, gate), isInput: true);
        for (int r = gate * q.UnitCount; r < (gate + 1) * q.UnitCount && !(q.ResetAfterProduct && gate == 2); r++)
        {
            biases[r] -= f.RecurrentBias[r];
        }

        return biases;
    }
}
