using Edge.Inference.Reference;

namespace Edge.Quantize.Onnx;

/// <summary>Reads one ONNX LSTM node (operator set 7 to 22) with its weights; refuses what cannot stream or is not int8 yet.</summary>
internal static class LstmNode
{
    // ONNX orders the gates input, output, forget, cell; here they are input, forget, cell, output.
    private static readonly int[] OnnxGate = [0, 2, 3, 1];

    internal static FloatLstm Read(OnnxNode node, int inputs, Func<int, OnnxTensor?> constant)
    {
        RequireStreamable(node);
        OnnxTensor w = constant(1) ?? throw new InputException($"{node.Label}: its weight W ('{node.Input(1)}') is not a constant.");
        OnnxTensor r = constant(2) ?? throw new InputException($"{node.Label}: its recurrent weight R ('{node.Input(2)}') is not a constant.");
        if (r.Shape.Length != 3 || r.Shape[0] != 1 || r.Shape[2] is < 1 or > 4096 || r.Shape[1] != 4 * r.Shape[2])
        {
            throw new InputException($"{node.Label}: R is [{string.Join(", ", r.Shape)}] where [1, 4H, H] is due.");
        }

        int units = r.Shape[2];
        if (node.Int("hidden_size", units) != units)
        {
            throw new InputException($"{node.Label}: hidden_size is {node.Int("hidden_size", units)}, but R has {units} units. The file is damaged.");
        }

        if (!w.Shape.AsSpan().SequenceEqual([1, 4 * units, inputs]))
        {
            throw new InputException($"{node.Label}: W is [{string.Join(", ", w.Shape)}] where [1, {4 * units}, {inputs}] is due.");
        }

        return new FloatLstm(inputs, units, Reorder(w.Values, units, inputs), Reorder(r.Values, units, units), ReadBias(node, constant, units));
    }

    private static void RequireStreamable(OnnxNode node)
    {
        string direction = node.Text("direction", "forward");
        if (direction != "forward")
        {
            throw new InputException(
                $"{node.Label} runs in direction '{direction}': it needs readings that have not happened yet, so it cannot stream. Train it with a forward LSTM.");
        }

        IReadOnlyList<string> activations = node.Texts("activations");
        if (activations.Count > 0 && !activations.SequenceEqual(["Sigmoid", "Tanh", "Tanh"], StringComparer.OrdinalIgnoreCase))
        {
            throw new InputException($"{node.Label}: activations {string.Join(", ", activations)} are not quantised by this version; Sigmoid, Tanh, Tanh are.");
        }

        if (node.Int("input_forget", 0) != 0 || node.Has("clip") || node.Input(7).Length > 0)
        {
            throw new InputException($"{node.Label} uses input_forget, clip or peepholes, which this version does not quantise.");
        }
    }

    private static float[] ReadBias(OnnxNode node, Func<int, OnnxTensor?> constant, int units)
    {
        var bias = new float[4 * units];
        if (node.Input(3).Length == 0)
        {
            return bias;
        }

        OnnxTensor b = constant(3) ?? throw new InputException($"{node.Label}: its bias B ('{node.Input(3)}') is not a constant.");
        if (!b.Shape.AsSpan().SequenceEqual([1, 8 * units]))
        {
            throw new InputException($"{node.Label}: B is [{string.Join(", ", b.Shape)}] where [1, {8 * units}] is due.");
        }

        float[] input = Reorder(b.Values[..(4 * units)], units, 1);
        float[] recurrent = Reorder(b.Values[(4 * units)..], units, 1);
        for (int i = 0; i < bias.Length; i++)
        {
            bias[i] = input[i] + recurrent[i];
        }

        return bias;
    }

    private static float[] Reorder(float[] rows, int units, int columns)
    {
        var ordered = new float[rows.Length];
        for (int gate = 0; gate < 4; gate++)
        {
            Array.Copy(rows, OnnxGate[gate] * units * columns, ordered, gate * units * columns, units * columns);
        }

        return ordered;
    }
}
