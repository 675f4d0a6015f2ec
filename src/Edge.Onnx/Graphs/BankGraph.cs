using Edge.Inference;
using Edge.Onnx.Proto;
using Google.Protobuf;
using Google.Protobuf.Collections;

namespace Edge.Onnx.Graphs;

/// <summary>
/// Graphs over a bank of states: one matrix [rows, width] for each state, a row for each stream. A step gathers the
/// given rows, steps them as one batch and scatters them back, so that states never leave the device. Two small graphs read and write rows.
/// </summary>
internal static class BankGraph
{
    /// <summary>The input that says which rows take part: int64 [streams].</summary>
    internal const string Rows = "edge_rows";

    private const int OperatorSetMin = 11;
    private const int Float = 1;
    private const int Int64 = 7;

    /// <summary>Name of a state's matrix before the step.</summary>
    internal static string Bank(int state) => $"edge_bank_{state}";

    /// <summary>Name of a state's matrix after the step.</summary>
    internal static string NextBank(int state) => $"edge_bank_{state}_next";

    /// <summary>Name of the rows that are read or written: [streams, width].</summary>
    internal static string Values(int state) => $"edge_values_{state}";

    /// <summary>A step graph whose states are rows of banks.</summary>
    /// <exception cref="ModelFormatException">The graph's operators are too old.</exception>
    internal static byte[] Step(StepGraph step)
    {
        Model model = step.Model.Clone();
        Graph graph = model.Graph;
        if (step.States.Count == 0)
        {
            return model.ToByteArray();
        }

        if (step.OperatorSet < OperatorSetMin)
        {
            throw new ModelFormatException(
                $"The graph uses operators from before set {OperatorSetMin}. "
                    + $"Export it again with opset_version={OperatorSetMin} or later.");
        }

        Node[] body = [.. graph.Node];
        graph.Node.Clear();
        AddRows(graph);
        for (int k = 0; k < step.States.Count; k++)
        {
            GraphState state = step.States[k];
            Remove(graph.Input, state.Input);
            graph.Input.Add(Matrix(Bank(k), "edge_rows_of_bank", state.Width));
            Apply(graph, "Gather", $"edge_gathered_{k}", [Bank(k), Rows]);
            AddShape(graph, $"edge_to_state_{k}", Folded(state, -1));
            Apply(graph, "Reshape", $"edge_unfolded_{k}", [$"edge_gathered_{k}", $"edge_to_state_{k}"]);
            Transpose(graph, $"edge_unfolded_{k}", state.Input, ToState(state));
        }

        graph.Node.Add(body);
        AddShape(graph, "edge_column", [-1, 1]);
        Apply(graph, "Reshape", "edge_indices", [Rows, "edge_column"]);
        for (int k = 0; k < step.States.Count; k++)
        {
            GraphState state = step.States[k];
            Remove(graph.Output, state.Output);
            Transpose(graph, state.Output, $"edge_folded_{k}", FromState(state));
            AddShape(graph, $"edge_to_rows_{k}", [-1, state.Width]);
            Apply(graph, "Reshape", $"edge_stepped_{k}", [$"edge_folded_{k}", $"edge_to_rows_{k}"]);
            Apply(graph, "ScatterND", NextBank(k), [Bank(k), "edge_indices", $"edge_stepped_{k}"]);
            graph.Output.Add(Matrix(NextBank(k), "edge_rows_of_bank", state.Width));
        }

        // Unused outputs would still be computed.
        ValueInfo[] unused = [.. graph.Output
            .Where(output => output.Name != step.Output && !output.Name.StartsWith("edge_bank_", StringComparison.Ordinal))];
        foreach (ValueInfo output in unused)
        {
            graph.Output.Remove(output);
        }

        if (step.States.Select(state => state.Output).Contains(step.Output))
        {
            graph.Output.Add(
                new ValueInfo { Name = step.Output, Type = new Proto.Type { TensorType = new TensorType { ElemType = Float } } });
        }

        return model.ToByteArray();
    }

    /// <summary>Rows out of banks: <see cref="Bank"/> and <see cref="Rows"/> in, <see cref="Values"/> out.</summary>
    internal static byte[] Read(IReadOnlyList<GraphState> states)
    {
        Model model = Empty("read_rows");
        AddRows(model.Graph);
        for (int k = 0; k < states.Count; k++)
        {
            model.Graph.Input.Add(Matrix(Bank(k), "edge_rows_of_bank", states[k].Width));
            Apply(model.Graph, "Gather", Values(k), [Bank(k), Rows]);
            model.Graph.Output.Add(Matrix(Values(k), "streams", states[k].Width));
        }

        return model.ToByteArray();
    }

    /// <summary>Rows into banks: <see cref="Bank"/>, <see cref="Rows"/> and <see cref="Values"/> in, <see cref="NextBank"/> out.</summary>
    internal static byte[] Write(IReadOnlyList<GraphState> states)
    {
        Model model = Empty("write_rows");
        AddRows(model.Graph);
        AddShape(model.Graph, "edge_column", [-1, 1]);
        Apply(model.Graph, "Reshape", "edge_indices", [Rows, "edge_column"]);
        for (int k = 0; k < states.Count; k++)
        {
            model.Graph.Input.Add([Matrix(Bank(k), "edge_rows_of_bank", states[k].Width), Matrix(Values(k), "streams", states[k].Width)]);
            Apply(model.Graph, "ScatterND", NextBank(k), [Bank(k), "edge_indices", Values(k)]);
            model.Graph.Output.Add(Matrix(NextBank(k), "edge_rows_of_bank", states[k].Width));
        }

        return model.ToByteArray();
    }

    private static Model Empty(string name) => new()
    {
        IrVersion = 8,
        Graph = new Graph { Name = name },
        OpsetImport = { new OperatorSet { Domain = "", Version = 15 } },
    };

    // Dimensions of a state with the streams first.
    private static long[] Folded(GraphState state, long streams) =>
        state.StreamAxis < 0 ? [.. state.Shape] : [streams, .. state.Shape.Where((_, axis) => axis != state.StreamAxis)];

    // From streams first to the state's own order, and back; null where they are the same.
    private static long[]? ToState(GraphState state) => state.StreamAxis <= 0
        ? null
        :
        [
            .. Enumerable.Range(0, state.Shape.Length)
                .Select(axis => (long)(axis == state.StreamAxis ? 0 : axis < state.StreamAxis ? axis + 1 : axis)),
        ];

    private static long[]? FromState(GraphState state) => state.StreamAxis <= 0
        ? null
        : [state.StreamAxis, .. Enumerable.Range(0, state.Shape.Length).Where(axis => axis != state.StreamAxis)];

    private static void Transpose(Graph graph, string from, string to, long[]? permutation)
    {
        Node node = Apply(graph, permutation is null ? "Identity" : "Transpose", to, [from]);
        if (permutation is not null)
        {
            var attribute = new Proto.Attribute { Name = "perm", Type = 7 };
            attribute.Ints.Add(permutation);
            node.Attribute.Add(attribute);
        }
    }

    private static Node Apply(Graph graph, string type, string output, string[] inputs)
    {
        var node = new Node { OpType = type, Name = $"make_{output}", Input = { inputs }, Output = { output } };
        graph.Node.Add(node);
        return node;
    }

    private static void AddRows(Graph graph)
    {
        var shape = new Shape { Dim = { new Dimension { DimParam = "streams" } } };
        graph.Input.Add(
            new ValueInfo { Name = Rows, Type = new Proto.Type { TensorType = new TensorType { ElemType = Int64, Shape = shape } } });
    }

    private static void AddShape(Graph graph, string name, long[] sizes) =>
        graph.Initializer.Add(new TensorProto { Name = name, DataType = Int64, Dims = { sizes.Length }, Int64Data = { sizes } });

    private static ValueInfo Matrix(string name, string rows, int width)
    {
        var shape = new Shape { Dim = { new Dimension { DimParam = rows }, new Dimension { DimValue = width } } };
        return new ValueInfo { Name = name, Type = new Proto.Type { TensorType = new TensorType { ElemType = Float, Shape = shape } } };
    }

    private static void Remove(RepeatedField<ValueInfo> values, string name) => values.Remove(values.First(value => value.Name == name));
}
