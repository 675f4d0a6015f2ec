using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.Graphs;
using Edge.Onnx.Proto;
using Edge.Training.Reference;

namespace Edge.Quantize.Onnx;

/// <summary>
/// Reads an ONNX graph into a <see cref="FloatModel"/>. <see cref="RowAnalysis"/> has proved that rows are kept apart; here each value
/// that depends on the readings is followed as a chain of layers. What has no layer is refused with the name of its node.
/// </summary>
internal sealed partial class OnnxImporter
{
    private readonly GraphView _view;
    private readonly Graph _graph;
    private readonly RowAnalysis _rows;
    private readonly Dictionary<string, Value> _values = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Pointwise[]> _pointwise = new(StringComparer.Ordinal);
    private readonly HashSet<string> _shared = new(StringComparer.Ordinal);

    private OnnxImporter(GraphView view, RowAnalysis rows)
    {
        _view = view;
        _graph = view.Graph;
        _rows = rows;
    }

    /// <summary>A value that depends on the readings.</summary>
    private abstract record Value;

    /// <summary>Values of a row, and how they come about.</summary>
    private sealed record Features(LayerChain Chain) : Value;

    /// <summary>Numbers of symbols, before an embedding.</summary>
    private sealed record Symbols : Value;

    /// <summary>What no layer can compute. That matters only if an output comes of it.</summary>
    private record Refused(string Reason) : Value;

    /// <summary>The number of the largest of some values.</summary>
    private sealed record Largest(LayerChain Of, string Reason) : Refused(Reason);

    /// <summary>Several values in one tensor: one of them may be picked out again, or they may be outputs beside each other.</summary>
    private sealed record Joined(IReadOnlyList<LayerChain> Parts, int Axis) : Value;

    /// <summary>Reads a model from its bytes.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="folder">Where external data may lie; null for nowhere.</param>
    /// <exception cref="InputException">The bytes are not a model that can be imported.</exception>
    internal static FloatModel Import(byte[] bytes, string? folder = null)
    {
        try
        {
            var external = new ExternalData(folder);
            GraphView view = CellPattern.Replace(new GraphView(bytes), external);
            return Import(view, external, Sha256.Hex(bytes));
        }
        catch (UnsupportedException e)
        {
            throw new InputException(CanStep(bytes, folder) ? $"{e.Message} Or run the model with engine: onnx." : e.Message, e);
        }
        catch (ModelFormatException e)
        {
            throw new InputException(e.Message, e);
        }
    }

    // Nothing is recommended that would be wrong.
    private static bool CanStep(byte[] bytes, string? folder)
    {
        try
        {
            StepGraph.Read(bytes, folder);
            return true;
        }
        catch (InputException)
        {
            return false;
        }
    }

    private static FloatModel Import(GraphView view, ExternalData external, string sha256)
    {
        if (view.Recurrent.Count == 0)
        {
            Node? control = view.Graph.Node.FirstOrDefault(node => node.OpType is "Loop" or "Scan" or "If");
            throw control is null
                ? new UnsupportedException("The graph has no recurrent node (LSTM, GRU or RNN), so there is no state to quantize.")
                : new InputException(
                    $"{view.Label(control)} has the recurrence in a subgraph, which is not supported. "
                        + $"Export with the recurrent layer as one node (LSTM, GRU or RNN).");
        }

        RowInputs inputs = RowInputs.Find(view);
        string[] outputs = StepGraph.OutputsWithoutStates(view, inputs);
        RowAnalysis rows = RowAnalysis.Of(view, external, inputs, outputs);
        if (rows.Refusal is { } refusal)
        {
            throw rows.WindowRows > 0 ? new UnsupportedException(refusal.Message) : refusal;
        }

        return new OnnxImporter(view, rows).Walk(inputs, outputs, sha256);
    }

    private FloatModel Walk(RowInputs inputs, string[] outputs, string sha256)
    {
        FindShared();
        if (inputs.Readings is { } readings)
        {
            Set(readings.Name, $"Input '{readings.Name}'",
                new Features(new LayerChain { Width = (int)readings.Type.TensorType.Shape.Dim[^1].DimValue }));
        }

        if (inputs.Symbol is { } symbol)
        {
            _values[symbol.Name] = new Symbols();
        }

        for (int i = 0; i < _graph.Node.Count; i++)
        {
            if (_rows.IsLive(_graph.Node[i]))
            {
                Visit(_graph.Node[i], new OnnxNode(_graph.Node[i], i));
            }
        }

        // As many of the outputs as go together; the others are named.
        LayerChain? row = null;
        var used = new List<(string, int)>();
        var leftOut = new List<string>();
        foreach (string name in outputs)
        {
            if (_values.GetValueOrDefault(name) is Largest { Of: { } scores }
                && Array.Find(outputs, other => _values.GetValueOrDefault(other) is Features each && each.Chain.HasOrderOf(scores))
                    is { } beside)
            {
                leftOut.Add($"Output '{name}', the number of the largest value of '{beside}', which a stream finds by itself.");
                continue;
            }

            (LayerChain? part, string? reason) = OutputOf(name);
            LayerChain? both = part is null || row is null ? part : LayerChain.Stack($"Output '{name}'", [row, part]);
            if (both is null)
            {
                reason ??= $"Output '{name}' branches off before the last layer of the others; only outputs of one layer are "
                    + $"imported together.";
                leftOut.Add(row is null ? throw new UnsupportedException(reason) : reason);
                continue;
            }

            row = both;
            used.Add((name, part!.Width));
        }

        return row!.Build(sha256) with { Outputs = used, LeftOut = leftOut };
    }

    private (LayerChain? Chain, string? Reason) OutputOf(string name) => _values.GetValueOrDefault(name) switch
    {
        Features features => (features.Chain, null),
        Joined joined => LayerChain.Stack($"Output '{name}'", joined.Parts) is { } stacked
            ? (stacked, null)
            : (null, $"Output '{name}' joins values of different layers; only values of one layer are imported together."),
        Refused refused => (null, refused.Reason),
        _ => (null, $"Output '{name}' is not computed from the readings by layers."),
    };

    private void Visit(Node proto, OnnxNode node)
    {
        Value?[] inputs = [.. proto.Input.Select((name, at) =>
            at == 4 && GraphView.IsRecurrent(proto) ? null : _values.GetValueOrDefault(name))];
        if (Array.Find(inputs, input => input is not null) is null || !proto.Output.Any(output => _rows.ValueOf(output) is RowsValue))
        {
            return;
        }

        Value result;
        try
        {
            result = AddPointwise(proto, node, inputs) ?? AddNormOfParts(proto, node) ?? AfterRefusal(node, inputs)
                ?? (GraphView.IsRecurrent(proto) ? AddRecurrent(proto, node, inputs)
                : inputs.Any(input => input is Symbols) ? AddEmbedding(proto, node, inputs)
                : inputs.Any(input => input is Joined) ? Pick(proto, node, inputs)
                : node.Type == "Concat" ? Concat(proto, node, inputs)
                : inputs.Count(input => input is Features) > 1 ? AddResidual(proto, node, inputs)
                : AddFeatures(proto, node, inputs));
        }
        catch (UnsupportedException e)
        {
            result = node.Type == "ArgMax" && inputs[0] is Features { Chain: { } of }
                && _rows.ValueOf(proto.Input[0]) is RowsValue { Axes: { } axes } && IsOverRow(node, axes, 0)
                ? new Largest(of, e.Message) : new Refused(e.Message);
        }

        if (node.Type == "Split" && result is Features { Chain: { } whole })
        {
            Split(proto, node, whole);
            return;
        }

        // Of a recurrent node the first two outputs are rows of features; the third is a cell state.
        for (int i = 0; i < proto.Output.Count && (i < 2 || !GraphView.IsRecurrent(proto)); i++)
        {
            Set(proto.Output[i], node.Label, i > 0 && node.Type == "LayerNormalization"
                ? new Refused($"{node.Label} gives mean and deviation of a row, which no layer can include.") : result);
        }
    }

    private void Set(string name, string label, Value value)
    {
        try
        {
            _values[name] = value is Features features && _shared.Contains(name) ? new Features(features.Chain.Shared(label)) : value;
        }
        catch (UnsupportedException e)
        {
            _values[name] = new Refused(e.Message);
        }
    }

    // The number of the largest value stays that while it is only moved about.
    private static Refused? AfterRefusal(OnnxNode node, Value?[] inputs) =>
        Array.Find(inputs, input => input is Refused) is not Refused refused ? null
        : refused is Largest && node.Type is not ("Cast" or "Identity" or "Squeeze" or "Unsqueeze" or "Reshape" or "Flatten" or "Transpose")
        ? new Refused(refused.Reason) : refused;

    // Values that are added to others, and what they are before their dimensions were moved about.
    private void FindShared()
    {
        foreach (Node node in _graph.Node.Where(node => node is { OpType: "Add" or "Sum", Input.Count: 2 } && _rows.IsLive(node)))
        {
            foreach (string name in node.Input.All(name => _rows.ValueOf(name) is RowsValue) ? [.. node.Input] : Array.Empty<string>())
            {
                for (string? at = name; at is not null && _shared.Add(at);)
                {
                    at = _view.Producer(at) is
                    {
                        OpType: "Identity" or "Dropout" or "Cast" or "Squeeze" or "Unsqueeze" or "Reshape" or "Flatten" or "Transpose",
                        Input: [var moved, ..],
                    } ? moved : null;
                }
            }
        }
    }

    // Operators that together are one activation of a value further up.
    private Features? AddPointwise(Node proto, OnnxNode node, Value?[] inputs)
    {
        double?[] constants =
            [.. Enumerable.Range(0, proto.Input.Count).Select(at => Constant(proto, at)?.Values is [var one] ? one : (double?)null)];
        int first = Array.FindIndex(inputs, input => input is not null);
        var points = new List<Pointwise>();
        foreach (Pointwise candidate in PointwiseOf(proto.Input[first]))
        {
            Pointwise?[] all =
            [
                .. proto.Input.Select((name, at) => inputs[at] is null
                    ? null
                    : PointwiseOf(name).FirstOrDefault(each => each.Base == candidate.Base)),
            ];
            bool isCommon = inputs.Where((input, at) => input is not null && all[at] is null).FirstOrDefault() is null;
            if (isCommon && Pointwise.Of(node, all, constants) is { } point)
            {
                points.Add(point);
            }
        }

        _pointwise[proto.Output[0]] = [.. points];
        if (inputs.Count(input => input is not null) < 2 && !inputs.Any(input => input is Refused) && node.Type != "Clip")
        {
            return null;
        }

        foreach (Pointwise point in points)
        {
            if (_values.GetValueOrDefault(point.Base) is Features { Chain: { } chain } && point.Recognize() is { } activation)
            {
                return new Features(chain.WithActivation(node.Label, activation));
            }
        }

        return null;
    }

    // The value itself, and what it is of values further up, the nearest first.
    private Pointwise[] PointwiseOf(string name) => [Pointwise.Of(name), .. _pointwise.GetValueOrDefault(name) ?? []];

    private Value AddEmbedding(Node proto, OnnxNode node, Value?[] inputs)
    {
        if (node.Type is "Cast" or "Identity" or "Squeeze" or "Unsqueeze" or "Reshape" or "Flatten" or "Transpose")
        {
            return new Symbols();
        }

        if (node.Type != "Gather" || inputs.ElementAtOrDefault(1) is not Symbols)
        {
            throw new UnsupportedException(
                $"{node.Label} computes with the numbers of symbols, which no layer can include. Number the symbols so that they are "
                    + $"looked up in a table as they come in.");
        }

        OnnxTensor table = Constant(proto, 0)
            ?? throw new UnsupportedException($"{node.Label}: its table '{node.Input(0)}' is not a constant.");
        return new Features(LayerChain.OfEmbedding(node.Label, [.. table.Shape.Select(size => (long)size)], table.Values));
    }

    private Features AddRecurrent(Node proto, OnnxNode node, Value?[] inputs)
    {
        if (inputs[0] is not Features { Chain: { } chain })
        {
            throw new InputException(
                $"{node.Label} does not read the model's features ('{node.Input(0)}'), so it cannot be part of a stream.");
        }

        return new Features(chain.WithRecurrent(node.Label, width => RecurrentNode.Read(
            node, width, at => Constant(proto, at), (at, units) => InitialState(proto, at, units))));
    }

    // Where a stream starts from: zero where the state is an input.
    private float[]? InitialState(Node proto, int at, int units)
    {
        string name = proto.Input.ElementAtOrDefault(at) ?? "";
        if (name.Length == 0 || _view.Sources(name).Count > 0)
        {
            return null;
        }

        float[] values = Constant(proto, at) is { } constant
            ? constant.IsZero ? []
                : constant.Values.Length == units ? constant.Values
                : throw new InputException(
                    $"{_view.Label(proto)}: its initial state '{name}' is {constant.ShapeText} where {units} values for one sequence are "
                        + $"expected.")
            : _view.InitialState(name, proto, units);
        return values.Length == 0 || Array.TrueForAll(values, value => value == 0) ? null : values;
    }

    private OnnxTensor? Constant(Node proto, int at) =>
        at < proto.Input.Count && _rows.ValueOf(proto.Input[at]) is ConstantValue { Tensor: { } tensor } ? tensor.Value : null;

    private OnnxTensor?[] Constants(Node proto) => [.. Enumerable.Range(0, proto.Input.Count).Select(at => Constant(proto, at))];

    private RowAxis[] AxesOf(OnnxNode node, string name) =>
        (_rows.ValueOf(name) as RowsValue)?.Axes
            ?? throw new UnsupportedException($"{node.Label} reads '{name}', whose dimensions are not known.");
}
