using System.Security.Cryptography;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.Graphs;
using Edge.Onnx.Proto;
using Edge.Training.Reference;
using Google.Protobuf;

namespace Edge.Quantize.Onnx;

/// <summary>
/// Reads an ONNX graph into a <see cref="FloatModel"/>. The graph is walked once in its own order with every value known as
/// a constant, as symbols or features that stream through the model, as a state, or as a shape. An unsupported operation on the features
/// is refused with the name of its node.
/// </summary>
internal sealed partial class OnnxImporter
{
    private static readonly HashSet<string> Recurrent = ["LSTM", "GRU", "RNN"];

    private readonly Dictionary<string, Value> _values = new(StringComparer.Ordinal);
    private readonly LayerStack _layers = new();
    private readonly Graph _graph;
    private readonly ExternalData _external;
    private readonly long _operatorSet;

    private OnnxImporter(Model model, ExternalData external)
    {
        _graph = model.Graph;
        _external = external;
        _operatorSet = model.OpsetImport.FirstOrDefault(set => set.Domain is "" or "ai.onnx")?.Version ?? 1;
    }

    /// <summary>Reads a model from its bytes.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="folder">Where external data may lie; null for nowhere.</param>
    /// <exception cref="InputException">The bytes are not a model that can be imported.</exception>
    internal static FloatModel Import(byte[] bytes, string? folder = null)
    {
        Model model;
        try
        {
            model = Model.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new InputException("This is not a whole ONNX file: its encoding ends early or is damaged. Export or copy it again.", e);
        }

        if (model.Graph is null || model.Graph.Node.Count == 0)
        {
            throw new InputException("This file holds no ONNX graph. Export the model again, for instance with torch.onnx.export.");
        }

        try
        {
            return new OnnxImporter(model, new ExternalData(folder)).Walk(Convert.ToHexStringLower(SHA256.HashData(bytes)));
        }
        catch (ModelFormatException e)
        {
            throw new InputException(e.Message, e);
        }
    }

    private FloatModel Walk(string sha256)
    {
        if (!_graph.Node.Any(node => Recurrent.Contains(node.OpType)))
        {
            Node? control = _graph.Node.FirstOrDefault(node => node.OpType is "Loop" or "Scan" or "If");
            throw new InputException(control is null
                ? "The graph has no recurrent node (LSTM, GRU or RNN), so it keeps no state from row to row. Run such a model with engine: "
                    + "onnx."
                : $"{new OnnxNode(control, _graph.Node.IndexOf(control)).Label} has the recurrence in a subgraph, which is not supported. "
                    + $"Export with the recurrent layer as one node (LSTM, GRU or RNN).");
        }

        foreach (TensorProto initializer in _graph.Initializer)
        {
            _values[initializer.Name] = new Constant(OnnxTensor.Read(initializer, initializer.Name, _external));
        }

        BindInputs();
        for (int i = 0; i < _graph.Node.Count; i++)
        {
            Visit(new OnnxNode(_graph.Node[i], i));
        }

        Value?[] outputs = _graph.Output.Select(output => _values.GetValueOrDefault(output.Name)).ToArray();
        bool isThere = outputs.Any(output => output is Features features && features.Stage == _layers.Stage);
        if (outputs.FirstOrDefault() is Refused first || (!isThere && (first = outputs.OfType<Refused>().FirstOrDefault()!) is not null))
        {
            throw new InputException(first.Reason);
        }

        if (!isThere)
        {
            throw new InputException(
                "No output of the graph is the output of the last layer. Export the model with its forecast as an output.");
        }

        return _layers.Build(sha256);
    }

    // Initial states and lengths of recurrent nodes are not readings, however many nodes are in between.
    private void BindInputs()
    {
        var producers = new Dictionary<string, Node>(StringComparer.Ordinal);
        foreach (Node node in _graph.Node)
        {
            foreach (string output in node.Output)
            {
                producers[output] = node;
            }
        }

        HashSet<string> states = Ancestors(
            _graph.Node.Where(node => Recurrent.Contains(node.OpType)).SelectMany(node => node.Input.Skip(4).Take(3)));
        HashSet<string> readings = Ancestors(
            _graph.Node.Where(node => Recurrent.Contains(node.OpType)).SelectMany(node => node.Input.Take(1)));
        ValueInfo[] inputs = _graph.Input.Where(input => !_values.ContainsKey(input.Name)).ToArray();
        ValueInfo[] features = inputs.Where(input => readings.Contains(input.Name)).ToArray();
        if (features.Length != 1)
        {
            throw new InputException(features.Length == 0
                ? "The graph has no input for the readings that a recurrent node reads."
                : $"The graph has {features.Length} inputs for readings "
                    + $"({string.Join(", ", features.Select(input => $"'{input.Name}'"))}); join them into one before the export.");
        }

        foreach (ValueInfo input in inputs)
        {
            _values[input.Name] = input == features[0] ? Readings(input) : new State(IsZero: states.Contains(input.Name));
        }

        HashSet<string> Ancestors(IEnumerable<string> names)
        {
            var seen = new HashSet<string>(StringComparer.Ordinal);
            var open = new Stack<string>(names);
            while (open.TryPop(out string? name))
            {
                // Through another recurrent node only its readings count: its own states are its own matter.
                if (name.Length > 0 && seen.Add(name) && producers.TryGetValue(name, out Node? producer))
                {
                    IEnumerable<string> inputs = Recurrent.Contains(producer.OpType)
                        ? producer.Input.Take(1)
                        : producer.OpType == "Shape" ? [] : producer.Input;
                    foreach (string input in inputs)
                    {
                        open.Push(input);
                    }
                }
            }

            return seen;
        }
    }

    private Value Readings(ValueInfo input)
    {
        Shape? shape = input.Type?.TensorType?.Shape;
        int type = input.Type?.TensorType?.ElemType ?? 1;
        Axis[] axes = shape?.Dim.Select(dim => new Axis(AxisKind.Open, dim.HasDimValue && dim.DimValue > 0 ? dim.DimValue : null)).ToArray()
            ?? [];
        if (type is 6 or 7 && axes.Length is >= 1 and <= 4)
        {
            return new Symbols(axes);
        }

        if (axes.Length is < 1 or > 6 || axes[^1].Size is not (>= 1 and <= 4096))
        {
            throw new InputException($"Input '{input.Name}' does not say how many values a row has. Export with a fixed last dimension.");
        }

        _layers.Begin((int)axes[^1].Size!);
        axes[^1] = new Axis(AxisKind.Feature, axes[^1].Size);
        return new Features(axes, 0);
    }

    private void Visit(OnnxNode node)
    {
        if (node.Outputs.Count == 0)
        {
            throw new InputException($"{node.Label} has no output. The file is damaged.");
        }

        if (!node.IsStandard)
        {
            throw new InputException($"{node.Label} is from a custom operator set. Export with standard ONNX operators.");
        }

        if (node.Type == "Constant")
        {
            Bind(node, ConstantOf(node));
            return;
        }

        Value?[] inputs = Enumerable.Range(0, node.InputCount).Select(at => node.Input(at).Length == 0 ? null : Get(node, at)).ToArray();
        if (inputs.FirstOrDefault(input => input is Refused) is { } refused)
        {
            BindAll(node, refused);
        }
        else if (inputs.Any(input => input is Joined))
        {
            BindAll(node, Pick(node, inputs));
        }
        else if (Recurrent.Contains(node.Type))
        {
            AddRecurrent(node, inputs);
        }
        else if (inputs.Length > 0 && inputs[0] is not null && inputs.All(input => input is Constant or null)
            && ConstantFolder.Fold(node, inputs.Select(input => (input as Constant)?.Tensor).ToArray()) is { } folded)
        {
            for (int i = 0; i < Math.Min(folded.Length, node.Outputs.Count); i++)
            {
                _values[node.Outputs[i]] = new Constant(folded[i]);
            }
        }
        else if (node.Type == "Gather" && inputs is [Constant table, Symbols symbols] && node.Int("axis", 0) == 0)
        {
            _layers.AddEmbedding(node.Label, table.Tensor);
            Bind(node, new Features([.. symbols.Axes, new Axis(AxisKind.Feature, _layers.Width)], _layers.Stage));
        }
        else if (inputs.Any(input => input is Features))
        {
            VisitFeatures(node, inputs);
        }
        else if (inputs.FirstOrDefault() is Symbols indices)
        {
            Bind(node, new Symbols(Move(node, [.. indices.Axes, new Axis(AxisKind.Feature, 1)], inputs, 1)[..^1]));
        }
        else
        {
            VisitPlumbing(node, inputs);
        }
    }

    private Constant ConstantOf(OnnxNode node)
    {
        if (node.Tensor("value") is { } tensor)
        {
            return new Constant(OnnxTensor.Read(tensor, node.Outputs[0], _external));
        }

        float[] values = node.Ints("value_ints") is { Length: > 0 } whole ? whole.Select(value => (float)value).ToArray()
            : node.Floats("value_floats") is { Count: > 0 } many ? [.. many] : [];
        return new Constant(values.Length > 0
            ? new OnnxTensor(node.Outputs[0], [values.Length], values)
            : new OnnxTensor(node.Outputs[0], [], [node.Float("value_float", 0) + node.Int("value_int", 0)]));
    }

    private void AddRecurrent(OnnxNode node, Value?[] inputs)
    {
        Features features = Newest(node, inputs);
        bool isBatchMajor = node.Int("layout", 0) != 0;
        if (features.Axes.Length != 3 || features.Axes[2].Kind != AxisKind.Feature)
        {
            throw new InputException(
                $"{node.Label} reads '{node.Input(0)}' with {features.Axes.Length} dimensions; "
                    + $"they must be time, batch and the values of a row, in that order.");
        }

        Axis time = features.Axes[isBatchMajor ? 1 : 0];
        Axis batch = features.Axes[isBatchMajor ? 0 : 1];
        if (time.Kind is AxisKind.Batch || (batch.Kind is AxisKind.Time && batch.Size != 1))
        {
            throw new InputException(
                $"{node.Label} steps through the batch instead of the time. "
                    + $"Transpose its input, or train with batch_first set as the data is.");
        }

        _layers.AddRecurrent(node.Label, width => RecurrentNode.Read(
            node, width, at => at < inputs.Length ? (inputs[at] as Constant)?.Tensor : null, at => InitialState(node, inputs, at)));
        time = time with { Kind = AxisKind.Time };
        batch = batch with { Kind = AxisKind.Batch };
        var row = new Axis(AxisKind.Feature, _layers.Width);
        Axis[][] outputs = isBatchMajor
            ? [[batch, time, Axis.One, row], [batch, Axis.One, row]]
            : [[time, Axis.One, batch, row], [Axis.One, batch, row]];
        for (int i = 0; i < node.Outputs.Count; i++)
        {
            _values[node.Outputs[i]] = i < 2 ? new Features(outputs[i], _layers.Stage) : new State(IsZero: false);
        }
    }

    private static OnnxTensor? InitialState(OnnxNode node, Value?[] inputs, int at) => (at < inputs.Length ? inputs[at] : null) switch
    {
        null or State { IsZero: true } => null,
        Constant constant => constant.Tensor,
        _ =>
            throw new InputException(
                $"{node.Label} starts from a state that other nodes compute ('{node.Input(at)}'), which a stream cannot carry. "
                    + $"Export with initial states as inputs, constants or absent."),
    };

    // The features a recurrent node reads: an older stage would leave out what came since.
    private Features Newest(OnnxNode node, Value?[] inputs)
    {
        Features features = inputs.FirstOrDefault() as Features
            ?? throw new InputException(
                $"{node.Label} does not read the model's features ('{node.Input(0)}'), so it cannot be part of a stream.");
        return features.Stage == _layers.Stage
            ? features
            : throw new InputException(
                $"{node.Label} branches off an earlier layer; only one chain of layers from input to output is supported.");
    }

    private Value Get(OnnxNode node, int at) =>
        _values.GetValueOrDefault(node.Input(at))
        ?? throw new InputException($"{node.Label} reads '{node.Input(at)}', which no earlier node computes. The file is damaged.");

    private void Bind(OnnxNode node, Value value) => _values[node.Outputs[0]] = value;

    private void BindAll(OnnxNode node, Value value)
    {
        foreach (string output in node.Outputs)
        {
            _values[output] = value;
        }
    }
}
