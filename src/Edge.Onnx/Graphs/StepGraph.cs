using System.Globalization;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.Proto;
using Google.Protobuf;

namespace Edge.Onnx.Graphs;

/// <summary>A state of a step graph: one input and one output tensor.</summary>
/// <param name="Input">Its name before the step.</param>
/// <param name="Output">Its name after the step.</param>
/// <param name="Shape">Its dimensions for one stream.</param>
/// <param name="StreamAxis">Which of them counts streams.</param>
/// <param name="Initial">What a stream starts from; empty for zero.</param>
internal sealed record GraphState(string Input, string Output, int[] Shape, int StreamAxis, float[] Initial)
{
    /// <summary>Values of one stream.</summary>
    internal int Width => Shape.Aggregate(1, (product, size) => product * size);
}

/// <summary>
/// A graph of one step: it takes one row and the state before it, and returns one row of outputs and the state after it. A graph of
/// whole sequences is converted: the states of its recurrent nodes become inputs and outputs.
/// </summary>
internal sealed class StepGraph
{
    private const int Float = 1;
    private const int Int32 = 6;
    private const int Int64 = 7;
    private const int StateMax = 1 << 20;

    private readonly GraphView _view;

    private StepGraph(GraphView view) => _view = view;

    /// <summary>The converted graph.</summary>
    internal Model Model => _view.Model;

    /// <summary>Version of the standard operators.</summary>
    internal long OperatorSet => _view.OperatorSet;

    /// <summary>The input that takes the row.</summary>
    internal string Input { get; private set; } = "";

    /// <summary>Dimensions of the input for one stream and one tick; the axis of the streams among them.</summary>
    internal int[] InputShape { get; private set; } = [];

    /// <summary>Which dimension of the input counts streams; -1 where the graph takes one stream only.</summary>
    internal int StreamAxis { get; private set; } = -1;

    /// <summary>Whether the input takes numbers of symbols (int32 or int64) instead of readings.</summary>
    internal bool ReadsSymbols => InputType is Int32 or Int64;

    /// <summary>ONNX element type of the input: 1, 6 or 7.</summary>
    internal int InputType { get; private set; } = Float;

    /// <summary>The output that gives the row of outputs.</summary>
    internal string Output { get; private set; } = "";

    /// <summary>Hidden states in the order of the layers, then cell states.</summary>
    internal IReadOnlyList<GraphState> States { get; private set; } = [];

    /// <summary>Reads a graph of steps or of sequences.</summary>
    /// <exception cref="ModelFormatException">No stream can be stepped through it; the message says why.</exception>
    internal static StepGraph Read(byte[] bytes)
    {
        var graph = new StepGraph(new GraphView(bytes));
        graph.FindInput();
        graph.FindStates();
        graph.ForgetShapes();
        return graph;
    }

    /// <summary>The step graph as a file.</summary>
    internal byte[] ToBytes() => Model.ToByteArray();

    private void FindInput()
    {
        HashSet<string> states = new(
            _view.Recurrent.SelectMany(node => node.Input.Skip(4).Take(3)).SelectMany(_view.Sources),
            StringComparer.Ordinal);
        HashSet<string> readings = new(
            _view.Recurrent.SelectMany(node => node.Input.Take(1)).SelectMany(_view.Sources),
            StringComparer.Ordinal);
        ValueInfo[] inputs =
        [
            .. _view.Inputs.Where(input => _view.Recurrent.Count == 0 || (readings.Contains(input.Name) && !states.Contains(input.Name))),
        ];
        if (inputs.Length == 0 || (inputs.Length > 1 && _view.Recurrent.Count > 0))
        {
            throw new ModelFormatException(inputs.Length == 0
                ? "The graph has no input for the readings that a recurrent node reads."
                : $"The graph has {inputs.Length} inputs for readings ({string.Join(", ", inputs.Select(input => $"'{input.Name}'"))}); "
                    + $"join them into one before the export.");
        }

        ValueInfo found = inputs[0];
        Input = found.Name;
        InputType = found.Type?.TensorType?.ElemType ?? Float;
        int[] shape = Shape(found);
        if (InputType is not (Float or Int32 or Int64) || shape.Length is < 1 or > 4)
        {
            throw new ModelFormatException(
                $"Input '{Input}' has {shape.Length} dimensions of ONNX element type {InputType}. "
                    + $"It must have 1 to 4, of float32 (symbols: int32 or int64).");
        }

        // All but the values of a row are of one stream and one tick.
        InputShape = [.. shape.Select((size, axis) => axis == shape.Length - 1 && !ReadsSymbols ? size : 1)];
        if (InputShape[^1] is < 1 or > ModelManifest.CountMax)
        {
            throw new ModelFormatException($"Input '{Input}' does not say how many values a row has. Export with a fixed last dimension.");
        }

        StreamAxis = _view.Recurrent.Count > 0 ? AxisOfStreams(_view.Recurrent[0]) : -1;
        if (StreamAxis >= InputShape.Length)
        {
            StreamAxis = -1;
        }

        SetShape(found, InputShape, StreamAxis);
    }

    // A recurrent node reads [time, streams, values], or with layout 1 [streams, time, values]; transpositions on the way swap the two.
    private int AxisOfStreams(Node node)
    {
        int axis = GraphView.Int(node, "layout", 0) == 0 ? 1 : 0;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (string name = node.Input[0]; name != Input;)
        {
            if (axis < 0 || !seen.Add(name) || _view.Producer(name) is not { } producer)
            {
                return -1;
            }

            if (producer.OpType == "Transpose")
            {
                Proto.Attribute? permutation = producer.Attribute.FirstOrDefault(item => item.Name == "perm");
                axis = permutation is not null && axis < permutation.Ints.Count ? (int)permutation.Ints[axis] : -1;
            }
            else if (producer.OpType is "Squeeze" or "Unsqueeze" or "Reshape" or "Flatten")
            {
                return -1;
            }

            name = producer.Input.FirstOrDefault(input => input == Input || _view.Sources(input).Contains(Input)) ?? "";
        }

        return axis;
    }

    private void FindStates()
    {
        var hidden = new List<GraphState>();
        var cell = new List<GraphState>();
        var wired = new HashSet<string>(StringComparer.Ordinal);
        foreach (Node node in _view.Recurrent)
        {
            if (GraphView.Text(node, "direction") is "reverse" or "bidirectional")
            {
                throw new ModelFormatException(
                    $"{_view.Label(node)} runs {GraphView.Text(node, "direction")}: "
                        + $"it needs future readings, which a stream does not have. Train it forward only.");
            }

            if (node.Input.Count > 4)
            {
                node.Input[4] = "";
            }

            for (int slot = 0; slot < (node.OpType == "LSTM" ? 2 : 1); slot++)
            {
                List<GraphState> states = slot == 0 ? hidden : cell;
                string name = node.Input.Count > 5 + slot ? node.Input[5 + slot] : "";
                string[] sources = [.. _view.Sources(name)];
                if (sources.Length > 1 || sources.Contains(Input))
                {
                    throw new ModelFormatException(
                        $"{_view.Label(node)} starts from a state that depends on "
                            + $"{string.Join(" and ", sources.Select(source => $"'{source}'"))}; each state must have its own input.");
                }

                if (sources.Length == 0 || Wire(sources[0], slot) is not { } given)
                {
                    states.Add(Add(node, slot, sources.Length == 0 && name.Length > 0 ? name : null));
                }
                else if (wired.Add(given.Input))
                {
                    states.Add(given);
                }
            }
        }

        if (_view.Recurrent.Count == 0)
        {
            hidden.AddRange(PairByShape());
        }

        States = [.. hidden, .. cell];
        if (States.FirstOrDefault(state => state.Shape.Aggregate(1.0, (product, size) => product * size) > StateMax) is { } huge)
        {
            throw new ModelFormatException(
                $"State '{huge.Input}' has the shape [{string.Join(", ", huge.Shape)}], which is larger than any supported model. "
                    + $"The file is damaged.");
        }

        if (_view.Graph.Output.Count == 0)
        {
            throw new ModelFormatException("The graph has no output. Export the model with its forecast as an output.");
        }

        Output = _view.Graph.Output.Select(output => output.Name).FirstOrDefault(name => States.All(state => state.Output != name))
            ?? _view.Graph.Output[0].Name;
        RemoveUnusedInputs();
    }

    // A state that is an input already, and the output that carries it on: moved about, but nothing else.
    private GraphState? Wire(string input, int slot)
    {
        HashSet<int> nodes = [.. Enumerable.Range(0, _view.Recurrent.Count)
            .Where(
                each =>
                    _view.Recurrent[each].Input.Count > 5 + slot && _view.Sources(_view.Recurrent[each].Input[5 + slot]).Contains(input))];
        ValueInfo given = _view.Inputs.First(each => each.Name == input);
        int[] shape = Shape(given);
        int axis = shape.Length == 3 && GraphView.Int(_view.Recurrent[nodes.First()], "layout", 0) == 0 ? 1 : 0;
        foreach (int outputOfNode in slot == 0 ? new[] { 1, 0 } : [2])
        {
            foreach (ValueInfo output in _view.Graph.Output)
            {
                // With one tick, all hidden states of a node are its last one.
                if (_view.MovedOutputs(output.Name) is { Count: > 0 } parts && parts.All(part => part.Output == outputOfNode)
                    && nodes.SetEquals(parts.Select(part => part.Recurrent)) && Shape(output).Length == shape.Length)
                {
                    shape[axis] = 1;
                    SetShape(given, shape, axis);
                    return new GraphState(input, output.Name, [.. shape.Select(size => Math.Max(1, size))], axis, []);
                }
            }
        }

        return null;
    }

    private GraphState Add(Node node, int slot, string? initial)
    {
        int units = (int)GraphView.Int(node, "hidden_size", 0);
        if (units is < 1 or > 65536)
        {
            throw new ModelFormatException($"{_view.Label(node)} has hidden_size {units}. The file is damaged.");
        }

        float[] values = initial is null ? [] : _view.InitialState(initial, node, units);
        int axis = GraphView.Int(node, "layout", 0) == 0 ? 1 : 0;
        string name = string.Create(CultureInfo.InvariantCulture, $"{(slot == 0 ? "h" : "c")}_{_view.IndexOf(node)}");
        var state = new GraphState($"{name}_in", $"{name}_out", [1, 1, units], axis, values);
        while (node.Input.Count <= 5 + slot)
        {
            node.Input.Add("");
        }

        while (node.Output.Count <= 1 + slot)
        {
            node.Output.Add("");
        }

        node.Input[5 + slot] = state.Input;

        // Through a node of its own: what the recurrent node gives may have a name, and readers, already.
        if (node.Output[1 + slot].Length == 0)
        {
            node.Output[1 + slot] = $"{name}_new";
        }

        _view.Graph.Node.Add(
            new Node { OpType = "Identity", Name = $"{name}_carry", Input = { node.Output[1 + slot] }, Output = { state.Output } });
        var input = new ValueInfo { Name = state.Input };
        SetShape(input, state.Shape, axis);
        _view.Graph.Input.Add(input);
        var output = new ValueInfo { Name = state.Output };
        SetShape(output, state.Shape, axis);
        _view.Graph.Output.Add(output);
        return state;
    }

    // Graphs that compute their cell from plain operators: each further input goes with the next further output of its shape.
    private List<GraphState> PairByShape()
    {
        var open = _view.Graph.Output.Skip(1).ToList();
        var states = new List<GraphState>();
        foreach (ValueInfo input in _view.Inputs.Where(input => input.Name != Input))
        {
            int[] shape = Shape(input);
            ValueInfo output = open.FirstOrDefault(each => Shape(each).SequenceEqual(shape))
                ?? throw new ModelFormatException(
                    $"Input '{input.Name}' [{string.Join(", ", shape)}] has no output of its shape, so its state would be lost. "
                        + $"Export the new state as an output too.");
            open.Remove(output);
            states.Add(new GraphState(input.Name, output.Name, [.. shape.Select(size => Math.Max(1, size))], -1, []));
        }

        return states;
    }

    private void RemoveUnusedInputs()
    {
        HashSet<string> used = new(_view.Graph.Node.SelectMany(node => node.Input), StringComparer.Ordinal);
        foreach (ValueInfo input in _view.Graph.Input.Where(input => !used.Contains(input.Name) && !_view.IsConstant(input.Name)).ToArray())
        {
            _view.Graph.Input.Remove(input);
        }
    }

    // Shapes inside the graph and of its outputs were those of the sequence.
    private void ForgetShapes()
    {
        _view.Graph.ValueInfo.Clear();
        foreach (ValueInfo output in _view.Graph.Output.Where(output => States.All(state => state.Output != output.Name)))
        {
            if (output.Type?.TensorType is { } type)
            {
                type.Shape = null;
            }
        }
    }

    // Sizes; 0 where one is open.
    private static int[] Shape(ValueInfo value) =>
        [
            .. value.Type?.TensorType?.Shape?.Dim.Select(
                dim => dim.HasDimValue && dim.DimValue is > 0 and <= 1 << 20 ? (int)dim.DimValue : 0)
                ?? [],
        ];

    private static void SetShape(ValueInfo value, int[] shape, int streamAxis)
    {
        int type = value.Type?.TensorType?.ElemType ?? Float;
        var dimensions = new Shape();
        dimensions.Dim.Add(
            shape.Select((size, axis) => axis == streamAxis ? new Dimension { DimParam = "streams" } : new Dimension { DimValue = size }));
        value.Type = new Proto.Type { TensorType = new TensorType { ElemType = type, Shape = dimensions } };
    }
}
