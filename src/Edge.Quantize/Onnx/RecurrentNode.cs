using Edge.Inference;
using Edge.Onnx.Graphs;
using Edge.Training.Reference;

namespace Edge.Quantize.Onnx;

/// <summary>Reads ONNX LSTM, GRU and RNN nodes (operator set 7 to 22) with their weights; refuses what cannot stream.</summary>
internal sealed class RecurrentNode
{
    private const int UnitsMax = 4096;

    // ONNX orders an LSTM's gates i, o, f, g and a GRU's z, r, n; here they are i, f, g, o and r, z, n.
    private static readonly int[] LstmGates = [0, 2, 3, 1];
    private static readonly int[] LstmPeepholes = [0, 2, 1];
    private static readonly int[] GruGates = [1, 0, 2];

    private readonly OnnxNode _node;
    private readonly int _inputs;
    private readonly int _units;
    private readonly int _gates;
    private readonly Func<int, OnnxTensor?> _constant;
    private readonly OnnxTensor _w;
    private readonly OnnxTensor _r;

    private RecurrentNode(OnnxNode node, int inputs, Func<int, OnnxTensor?> constant)
    {
        _node = node;
        _inputs = inputs;
        _constant = constant;
        _gates = node.Type switch { "GRU" => 3, "RNN" => 1, _ => 4 };
        RequireForward();
        if (node.Type == "DynamicQuantizeLSTM")
        {
            (_w, _r) = (Dequantized(1, 8), Dequantized(2, 10));
        }

        _w ??= constant(1) ?? throw new InputException($"{node.Label}: its weight W ('{node.Input(1)}') is not a constant.");
        _r ??= constant(2) ?? throw new InputException($"{node.Label}: its recurrent weight R ('{node.Input(2)}') is not a constant.");
        if (_r.Shape.Length != 3 || _r.Shape[0] != 1 || _r.Shape[2] is < 1 or > UnitsMax || _r.Shape[1] != _gates * _r.Shape[2])
        {
            throw new InputException($"{node.Label}: R is {_r.ShapeText} where [1, {(_gates == 1 ? "H" : $"{_gates}H")}, H] is expected.");
        }

        _units = _r.Shape[2];
        if (node.Int("hidden_size", _units) != _units)
        {
            throw new InputException(
                $"{node.Label}: hidden_size is {node.Int("hidden_size", _units)}, but R has {_units} units. The file is damaged.");
        }

        if (!_w.Shape.AsSpan().SequenceEqual([1, _gates * _units, inputs]))
        {
            throw new InputException($"{node.Label}: W is {_w.ShapeText} where [1, {_gates * _units}, {inputs}] is expected.");
        }
    }

    /// <summary>The layer of a node with this many features.</summary>
    /// <param name="node">The node.</param>
    /// <param name="inputs">Values of a row that comes in.</param>
    /// <param name="constant">The constant at an input of the node, or null.</param>
    /// <param name="initial">Gives the initial state at an input of the node, of so many units; null for zero.</param>
    internal static FloatLayer Read(OnnxNode node, int inputs, Func<int, OnnxTensor?> constant, Func<int, int, float[]?> initial)
    {
        var reader = new RecurrentNode(node, inputs, constant);
        FloatLayer layer = node.Type switch
        {
            "GRU" => reader.ReadGru(),
            "RNN" => reader.ReadRnn(),
            _ => reader.ReadLstm(initial(6, reader._units)),
        };
        return layer with { InitialHidden = initial(5, reader._units) };
    }

    private FloatLstm ReadLstm(float[]? initialCell)
    {
        FloatActivation[] activations = ReadActivations(FloatActivation.Sigmoid, FloatActivation.Tanh, FloatActivation.Tanh);
        float[] w = Reorder(_w.Values, LstmGates, _inputs);
        float[] r = Reorder(_r.Values, LstmGates, _units);
        float[] bias = Sum(Bias(0, LstmGates), Bias(1, LstmGates));
        float[]? peephole = Peephole();
        FloatActivation forget = activations[0];
        if (_node.Int("input_forget", 0) != 0)
        {
            // f = 1 - i: for a sigmoid that is the sigmoid of the negated argument, for a hard one too with 1 - beta.
            Couple(w, _inputs);
            Couple(r, _units);
            Couple(bias, 1);
            Couple(peephole ?? [], 1);
            forget = activations[0].Function switch
            {
                FloatFunction.Sigmoid => activations[0],
                FloatFunction.HardSigmoid => activations[0] with { Beta = 1 - activations[0].Beta },
                _ =>
                    throw new InputException(
                        $"{_node.Label} couples input and forget gate through {activations[0].Function}; "
                            + $"input_forget supports only Sigmoid and HardSigmoid."),
            };
        }

        return new FloatLstm(_inputs, _units, w, r, bias)
        {
            Gate = activations[0],
            Forget = forget,
            Candidate = activations[1],
            Cell = activations[2],
            Peephole = peephole,
            Clip = Clip(),
            InitialCell = initialCell,
        };
    }

    private FloatGru ReadGru()
    {
        FloatActivation[] activations = ReadActivations(FloatActivation.Sigmoid, FloatActivation.Tanh);
        return new FloatGru(
            _inputs,
            _units,
            Reorder(_w.Values, GruGates, _inputs),
            Reorder(_r.Values, GruGates, _units),
            Bias(0, GruGates),
            Bias(1, GruGates),
            _node.Int("linear_before_reset", 0) != 0)
        {
            Gate = activations[0],
            Candidate = activations[1],
            Clip = Clip(),
        };
    }

    private FloatRnn ReadRnn() =>
        new(_inputs, _units, _w.Values, _r.Values, Sum(Bias(0, [0]), Bias(1, [0])), ReadActivations(FloatActivation.Tanh)[0])
        {
            Clip = Clip(),
        };

    private void RequireForward()
    {
        string direction = _node.Text("direction", "forward");
        if (direction != "forward")
        {
            throw new InputException(
                $"{_node.Label} runs in direction '{direction}': it needs future readings, so it cannot stream. "
                    + $"Train it with a forward {_node.Type}.");
        }
    }

    private FloatActivation[] ReadActivations(params FloatActivation[] standard)
    {
        IReadOnlyList<string> names = _node.Texts("activations");
        if (names.Count == 0)
        {
            return standard;
        }

        if (names.Count != standard.Length)
        {
            throw new InputException(
                $"{_node.Label} names {Quantity.Of(names.Count, "activation")} where {standard.Length} are expected. The file is damaged.");
        }

        // Parameters are handed out in order to the functions that have them.
        var alphas = new Queue<float>(_node.Floats("activation_alpha"));
        var betas = new Queue<float>(_node.Floats("activation_beta"));
        return names.Select(name => Activations.Read(name, _node.Label, Next(alphas), Next(betas))).ToArray();

        static Func<float, float> Next(Queue<float> values) => otherwise => values.Count > 0 ? values.Dequeue() : otherwise;
    }

    private float Clip()
    {
        float clip = _node.Float("clip", 0);
        if (!float.IsFinite(clip) || clip < 0)
        {
            throw new InputException($"{_node.Label}: clip is {clip}; it must be a positive number.");
        }

        return clip == 0 ? float.PositiveInfinity : clip;
    }

    // Half of B: of W (0) or of R (1).
    private float[] Bias(int half, int[] order)
    {
        int rows = _gates * _units;
        if (_node.Input(3).Length == 0)
        {
            return new float[rows];
        }

        OnnxTensor b = _constant(3) ?? throw new InputException($"{_node.Label}: its bias B ('{_node.Input(3)}') is not a constant.");
        if (!b.Shape.AsSpan().SequenceEqual([1, 2 * rows]))
        {
            throw new InputException($"{_node.Label}: B is {b.ShapeText} where [1, {2 * rows}] is expected.");
        }

        return Reorder(b.Values[(half * rows)..((half + 1) * rows)], order, 1);
    }

    private float[]? Peephole()
    {
        if (_node.Input(7).Length == 0)
        {
            return null;
        }

        OnnxTensor p = _constant(7)
            ?? throw new InputException($"{_node.Label}: its peephole weight P ('{_node.Input(7)}') is not a constant.");
        if (!p.Shape.AsSpan().SequenceEqual([1, 3 * _units]))
        {
            throw new InputException($"{_node.Label}: P is {p.ShapeText} where [1, {3 * _units}] is expected.");
        }

        return Reorder(p.Values, LstmPeepholes, 1);
    }

    // ONNX Runtime keeps int8 weights the other way round, [1, inputs, gates·units], with a scale and a zero point.
    private OnnxTensor Dequantized(int at, int scaleAt)
    {
        OnnxTensor? weight = _constant(at);
        OnnxTensor? scale = _constant(scaleAt);
        OnnxTensor? zero = _constant(scaleAt + 1);
        if (weight is not { Shape: [1, var inputs, var rows] } || scale is null
            || (zero is not null && zero.Values.Length != scale.Values.Length)
            || (scale.Values.Length != 1 && scale.Values.Length != rows))
        {
            throw new InputException($"{_node.Label}: its weight '{_node.Input(at)}' is not int8 with a scale. The file is damaged.");
        }

        var values = new float[weight.Values.Length];
        for (int i = 0; i < inputs; i++)
        {
            for (int r = 0; r < rows; r++)
            {
                int channel = scale.Values.Length == 1 ? 0 : r;
                values[(r * inputs) + i] = (weight.Values[(i * rows) + r] - (zero?.Values[channel] ?? 0)) * scale.Values[channel];
            }
        }

        return new OnnxTensor(weight.Name, [1, rows, inputs], values);
    }

    private float[] Reorder(float[] rows, int[] order, int columns)
    {
        var ordered = new float[rows.Length];
        for (int gate = 0; gate < order.Length; gate++)
        {
            Array.Copy(rows, order[gate] * _units * columns, ordered, gate * _units * columns, _units * columns);
        }

        return ordered;
    }

    // Overwrites the forget rows with the negated input rows.
    private void Couple(float[] rows, int columns)
    {
        for (int i = 0; i < _units * columns && rows.Length > 0; i++)
        {
            rows[(_units * columns) + i] = -rows[i];
        }
    }

    private static float[] Sum(float[] a, float[] b) => a.Zip(b, (left, right) => left + right).ToArray();
}
