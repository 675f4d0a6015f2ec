using Edge.Inference;
using Edge.Onnx.Proto;

namespace Edge.Onnx.Graphs;

/// <summary>A convolution over time that has become a state: its last rows before the present one.</summary>
/// <param name="Node">The convolution.</param>
/// <param name="Axes">Dimensions of its input.</param>
/// <param name="Time">Which of them is the time.</param>
/// <param name="Rows">How many rows before the present one it reads.</param>
internal sealed record CausalConvolution(Node Node, RowAxis[] Axes, int Time, int Rows);

/// <summary>
/// Finds out whether a graph of sequences can be stepped row by row: whether each output row depends on rows before it only through
/// recurrent nodes and causal convolutions. Every node that reads the readings is checked; one that is not known to keep rows apart is
/// refused by its name.
/// </summary>
internal sealed partial class RowAnalysis
{
    /// <summary>Most rows of a window.</summary>
    internal const int WindowRowsMax = 4096;

    private readonly GraphView _view;
    private readonly ExternalData _external;
    private readonly Dictionary<string, GraphValue> _values = new(StringComparer.Ordinal);
    private readonly HashSet<Node> _live;
    private readonly bool _hasTime;
    private int _visited;

    private RowAnalysis(GraphView view, ExternalData external, HashSet<Node> live, bool hasTime)
    {
        _view = view;
        _external = external;
        _live = live;
        _hasTime = hasTime;
    }

    /// <summary>Convolutions over time, in the order of the graph.</summary>
    internal List<CausalConvolution> Convolutions { get; } = [];

    /// <summary>Padding and cuts in time that a step does not need.</summary>
    internal List<Node> Dropped { get; } = [];

    /// <summary>Why the graph cannot be stepped, with the name of the node; null where it can.</summary>
    internal ModelFormatException? Refusal { get; private set; }

    /// <summary>Rows of the window that a refused graph takes at once, if their number is fixed; else 0.</summary>
    internal int WindowRows { get; private set; }

    // A recurrent node steps through another dimension than the supposed time.
    private bool IsContradicted { get; set; }

    /// <summary>Which dimension of the input is the time; -1 where the graph takes one row.</summary>
    internal int Time { get; private init; }

    /// <summary>Analyzes a graph.</summary>
    /// <param name="view">The graph.</param>
    /// <param name="external">Where constants outside the file lie.</param>
    /// <param name="inputs">The inputs that take a row. Of symbols alone, every dimension may be the time.</param>
    /// <param name="outputs">The outputs that are used.</param>
    /// <returns>The analysis; <see cref="Refusal"/> says whether the graph can be stepped.</returns>
    internal static RowAnalysis Of(
        GraphView view,
        ExternalData external,
        RowInputs inputs,
        IReadOnlyCollection<string> outputs)
    {
        long?[] sizes = SizesOf(inputs.First);
        int outer = inputs.Readings is null ? sizes.Length : sizes.Length - 1;
        HashSet<Node> live = Live(view, outputs);
        bool hasPlainStates = view.Recurrent.Count == 0
            && view.Inputs.Any(other => !inputs.Contain(other.Name) && live.Any(node => node.Input.Contains(other.Name)));

        // Nothing says which dimension is the time: one is supposed after the other.
        int[] candidates = hasPlainStates
            ? []
            :
            [
                .. Enumerable.Range(0, outer).Where(axis => sizes[axis] > 1),
                .. Enumerable.Range(0, outer).Where(axis => sizes[axis] is null),
            ];
        RowAnalysis? best = null;
        foreach (int time in (int[])[.. candidates, -1])
        {
            // A dimension of fixed size is the time unless a recurrent node steps through another one.
            if (best is { WindowRows: > 0 })
            {
                break;
            }

            // One row: where there is no other dimension, or each recurrent node takes its state from outside and steps through none.
            if (time < 0 && best is not null && !(best.IsContradicted && TakesStates(view)))
            {
                break;
            }

            var analysis = new RowAnalysis(view, external, live, time >= 0) { Time = time };
            try
            {
                analysis.Walk(inputs, outer);
                analysis.RequireRows(outputs);
                return analysis;
            }
            catch (InputException e)
            {
                analysis.Refusal = e as ModelFormatException ?? new ModelFormatException(e.Message, e);
                analysis.WindowRows = time >= 0 && !analysis.IsContradicted && sizes[time] is <= WindowRowsMax and { } rows ? (int)rows : 0;
                best = best is null || analysis.WindowRows > best.WindowRows
                    || (best.WindowRows == 0 && analysis._visited > best._visited) ? analysis : best;
            }
        }

        return best!;
    }

    private static bool TakesStates(GraphView view) =>
        view.Recurrent.All(node => node.Input.Count > 5 && view.Sources(node.Input[5]).Count > 0);

    // Nodes that the outputs need. Lengths of sequences are not: a stream has no padding.
    private static HashSet<Node> Live(GraphView view, IReadOnlyCollection<string> outputs)
    {
        var live = new HashSet<Node>(ReferenceEqualityComparer.Instance);
        var open = new Stack<string>(outputs);
        while (open.TryPop(out string? name))
        {
            if (name.Length > 0 && view.Producer(name) is { } node && live.Add(node))
            {
                foreach (string input in node.Input.Where((_, at) => at != 4 || !GraphView.IsRecurrent(node)))
                {
                    open.Push(input);
                }
            }
        }

        return live;
    }

    /// <summary>What is known of a value; null where nothing reads it.</summary>
    internal GraphValue? ValueOf(string name) => _values.GetValueOrDefault(name);

    /// <summary>Whether an output depends on a node.</summary>
    internal bool IsLive(Node node) => _live.Contains(node);

    /// <summary>Values of a row of an output; null where they are not known.</summary>
    internal int? CountOf(string output) =>
        _values.GetValueOrDefault(output) is RowsValue { Axes: { } axes } && Product(axes) is > 0 and <= int.MaxValue and { } count
            ? (int)count
            : null;

    /// <summary>Dimensions of an output whose last one has all values of a row; null of another.</summary>
    internal int? RankOf(string output) =>
        _values.GetValueOrDefault(output) is RowsValue { Axes: { Length: > 1 } axes } && axes[^1].Kind == RowAxisKind.Fixed
            && axes[..^1].All(axis => axis.Kind != RowAxisKind.Fixed || axis.Size == 1)
            ? axes.Length
            : null;

    /// <summary>Which dimension of an output counts rows; -1 where none does.</summary>
    internal int TimeOf(string output) => _values.GetValueOrDefault(output) is RowsValue rows ? rows.Time : -1;

    private static long?[] SizesOf(ValueInfo input) =>
        [.. input.Type?.TensorType?.Shape?.Dim.Select(dim => dim.HasDimValue ? dim.DimValue : (long?)null) ?? []];

    // The first dimensions of each input of a row are the rows and the streams.
    private RowAxis[] AxesOf(ValueInfo input, int outer) =>
    [
        .. SizesOf(input).Select((size, axis) => axis == Time ? new RowAxis(RowAxisKind.Time)
            : axis < outer && (Time >= 0 || size != 1) ? new RowAxis(RowAxisKind.Streams, size)
            : new RowAxis(RowAxisKind.Fixed, size)),
    ];

    private void Walk(RowInputs inputs, int outer)
    {
        foreach (TensorProto initializer in _view.Graph.Initializer)
        {
            _values[initializer.Name] = Constant(initializer);
        }

        foreach (ValueInfo other in _view.Inputs)
        {
            _values[other.Name] = inputs.Contain(other.Name)
                ? new RowsValue(AxesOf(other, outer))
                : new RowsValue([.. other.Type?.TensorType?.Shape?.Dim
                    .Select(dim => new RowAxis(RowAxisKind.Fixed, dim.HasDimValue ? dim.DimValue : 1)) ?? []]);
        }

        for (int i = 0; i < _view.Graph.Node.Count; i++)
        {
            Node node = _view.Graph.Node[i];
            if (_live.Contains(node))
            {
                Visit(node, new OnnxNode(node, i));
                _visited++;
            }
        }
    }

    private void RequireRows(IReadOnlyCollection<string> outputs)
    {
        foreach (string output in outputs)
        {
            if (_values.GetValueOrDefault(output) is not RowsValue rows)
            {
                throw new ModelFormatException($"Output '{output}' does not depend on the readings. Export the model without it.");
            }

            if (_hasTime && rows.Time < 0 && !rows.IsNewest)
            {
                throw new ModelFormatException(
                    $"Output '{output}' has neither a row for each row of readings nor the last one only. Export it row by row.");
            }

            if (!rows.IsAligned)
            {
                throw new ModelFormatException(
                    $"Output '{output}' has {rows.Lead + rows.Excess} rows more than the readings. Cut the padding off in the model.");
            }
        }
    }

    private ConstantValue Constant(TensorProto proto) =>
        new([.. proto.Dims], new Lazy<OnnxTensor>(() => OnnxTensor.Read(proto, proto.Name, _external)));

    private void Visit(Node proto, OnnxNode node)
    {
        if (proto.Output.Count == 0)
        {
            throw new ModelFormatException($"{node.Label} has no output. The file is damaged.");
        }

        GraphValue?[] inputs = [.. proto.Input.Select((name, at) =>
            name.Length == 0 || (at == 4 && GraphView.IsRecurrent(proto)) ? null : Value(node, name))];
        if (inputs.Any(input => input is RowsValue))
        {
            BindRows(proto, node, inputs);
            return;
        }

        GraphValue result = inputs.Any(input => input is SizesValue or AsideValue) ? OfSizes(node, inputs) : Folded(proto, node, inputs);
        foreach (string output in proto.Output.Where(output => !_values.ContainsKey(output)))
        {
            _values[output] = result;
        }
    }

    private GraphValue Value(OnnxNode node, string name) =>
        _values.GetValueOrDefault(name)
            ?? throw new ModelFormatException($"{node.Label} reads '{name}', which no earlier node computes. The file is damaged.");

    // A node of constants only: its value where it can be had, else a constant of unknown shape.
    private GraphValue Folded(Node proto, OnnxNode node, GraphValue?[] inputs)
    {
        if (node.Type == "Constant")
        {
            if (node.Tensor("value") is { } tensor)
            {
                return Constant(tensor);
            }

            float[] values = node.Ints("value_ints") is { Length: > 0 } whole ? [.. whole.Select(value => (float)value)]
                : node.Floats("value_floats") is { Count: > 0 } many ? [.. many] : [];
            return Known(values.Length > 0
                ? new OnnxTensor(proto.Output[0], [values.Length], values)
                : new OnnxTensor(proto.Output[0], [], [node.Float("value_float", 0) + node.Int("value_int", 0)]));
        }

        if (node.Type is "RandomNormal" or "RandomUniform" or "RandomNormalLike" or "RandomUniformLike" or "Bernoulli" or "Multinomial")
        {
            throw Mixes(node, "draws random numbers");
        }

        if (inputs.Length > 0 && inputs[0] is ConstantValue && inputs.All(input => input is null or ConstantValue { Tensor: not null })
            && ConstantFolder.Fold(node, [.. inputs.Select(input => (input as ConstantValue)?.Tensor!.Value)]) is { } folded)
        {
            for (int i = 0; i < Math.Min(folded.Length, proto.Output.Count); i++)
            {
                _values[proto.Output[i]] = Known(folded[i]);
            }

            return _values[proto.Output[0]];
        }

        return new ConstantValue(null);
    }

    private static ConstantValue Known(OnnxTensor tensor) =>
        new([.. tensor.Shape.Select(size => (long)size)], new Lazy<OnnxTensor>(tensor));

    private static ModelFormatException Mixes(OnnxNode node, string what, string mend = "Train and export the model without it.") =>
        new($"{node.Label} {what}, so the model cannot be stepped row by row. {mend}");
}
