using System.Globalization;
using Edge.Inference;
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

/// <summary>An input that takes the number of a symbol beside the readings.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">ONNX element type: 1, 6 or 7.</param>
/// <param name="Rank">Its dimensions: those of the readings without their last one, and perhaps one of size 1.</param>
internal sealed record SymbolInput(string Name, int Type, int Rank);

/// <summary>A graph of sequences, as ONNX Runtime runs it at once.</summary>
/// <param name="Input">The input of readings.</param>
/// <param name="InputType">ONNX element type of the input.</param>
/// <param name="InputShape">Its dimensions for one row.</param>
/// <param name="Time">Which of them counts rows; -1 where the graph takes one row.</param>
/// <param name="FixedRows">How many rows it takes; 0 for any number.</param>
/// <param name="Outputs">The outputs, and which of their dimensions counts rows; -1 for one of the last row only.</param>
/// <param name="Others">Inputs of no row, with their element type and dimensions, 0 where open: states, and lengths of sequences.</param>
internal sealed record SequenceGraph(
    string Input,
    int InputType,
    int[] InputShape,
    int Time,
    int FixedRows,
    IReadOnlyList<(string Name, int Time)> Outputs,
    IReadOnlyList<(string Name, int Type, int[] Shape)> Others);

/// <summary>
/// A graph of one step: it takes one row and the state before it, and returns one row of outputs and the state after it. A graph of
/// whole sequences is converted: the states of its recurrent nodes become inputs and outputs, and so do the last rows that a causal
/// convolution or a fixed window reads.
/// </summary>
internal sealed partial class StepGraph
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

    /// <summary>Whether the input takes numbers of symbols instead of readings.</summary>
    internal bool ReadsSymbols { get; private set; }

    /// <summary>The input that takes a symbol beside the readings, or null.</summary>
    internal SymbolInput? Symbol { get; private set; }

    /// <summary>Symbols that there are, numbered from 0; 0 where there are none, or their number is not known.</summary>
    internal int SymbolCount { get; private set; }

    /// <summary>Values of a row: the readings, and after them the number of the symbol.</summary>
    internal int InputCount => ReadsSymbols ? 1
        : InputShape.Aggregate(1, (product, size) => product * size) + (Symbol is null ? 0 : 1);

    /// <summary>ONNX element type of the input: 1, 6 or 7.</summary>
    internal int InputType { get; private set; } = Float;

    /// <summary>The output that gives the row of outputs.</summary>
    internal string Output { get; private set; } = "";

    /// <summary>Outputs of the file that <see cref="Output"/> consists of, with the number of their values where it is known.</summary>
    internal IReadOnlyList<(string Name, int? Count)> Outputs { get; private set; } = [];

    /// <summary>Outputs of the file that are neither in <see cref="Output"/> nor states.</summary>
    internal IReadOnlyList<string> LeftOut { get; private set; } = [];

    /// <summary>Rows that the model reads at once; 1 where it steps.</summary>
    internal int WindowRows { get; private set; } = 1;

    /// <summary>The graph as it was before it became a step.</summary>
    internal SequenceGraph Sequence { get; private set; } = new("", 1, [], -1, 0, [], []);

    /// <summary>
    /// Hidden states in the order of the layers, then cell states, then the rows that causal convolutions and a window remember.
    /// </summary>
    internal IReadOnlyList<GraphState> States { get; private set; } = [];

    /// <summary>Reads a graph of steps or of sequences.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="folder">Where external data may lie; null for nowhere.</param>
    /// <param name="outputs">
    /// Values of a row of outputs that are wanted: the first outputs of the file that have so many; null for all.
    /// </param>
    /// <param name="isClass">
    /// Whether a value of the row is named as a class: where it is the logarithm of a probability, the graph gives the probability. Null
    /// for the values as they are.
    /// </param>
    /// <exception cref="ModelFormatException">No stream can be stepped through it; the message says why.</exception>
    internal static StepGraph Read(byte[] bytes, string? folder = null, int? outputs = null, Func<int, bool>? isClass = null)
    {
        var graph = new StepGraph(new GraphView(bytes));
        RowInputs inputs = RowInputs.Find(graph._view);
        ValueInfo input = inputs.First;
        graph.Input = input.Name;
        graph.ReadsSymbols = inputs.Readings is null;
        graph.InputType = input.Type?.TensorType?.ElemType ?? Float;

        // All but the values of a row are of one stream and one tick.
        int[] shape = Shape(input);
        graph.InputShape = [.. shape.Select((size, axis) => axis == shape.Length - 1 && !graph.ReadsSymbols ? size : 1)];
        string[] names = OutputsWithoutStates(graph._view, inputs);
        RowAnalysis analysis = RowAnalysis.Of(graph._view, new ExternalData(folder), inputs, names);
        if (analysis.Refusal is { } refusal && (analysis.WindowRows == 0 || graph._view.Inputs.Count > 1))
        {
            throw refusal;
        }

        graph.FindSymbols(inputs, analysis);
        graph.ChooseOutputs(names, analysis, outputs);
        bool[] areLogarithms = graph.FindLogarithms(analysis, isClass, outputs ?? 0);
        graph.Sequence = new SequenceGraph(
            graph.Input,
            graph.InputType,
            [.. Shape(input).Select((size, axis) => axis == analysis.Time || size == 0 ? 1 : graph.InputShape[axis])],
            analysis.Time,
            analysis.Time < 0 ? 0 : Shape(input)[analysis.Time],
            [.. graph.Outputs.Select(used => (used.Name, analysis.TimeOf(used.Name)))],
            [.. graph._view.Inputs.Where(other => !inputs.Contain(other.Name))
                .Select(other => (other.Name, other.Type?.TensorType?.ElemType ?? Float, Shape(other)))]);
        if (analysis.Refusal is not null)
        {
            graph.KeepWindow(input, analysis.Time, analysis.WindowRows);
            graph.GiveProbabilities(areLogarithms);
            return graph;
        }

        graph.StreamAxis = graph._view.Recurrent.Count > 0 ? graph.AxisOfStreams(graph._view.Recurrent[0])
            : StreamAxisOf(analysis, graph.InputShape);
        SetShape(input, graph.InputShape, graph.StreamAxis);
        if (inputs.Beside is { } symbol)
        {
            SetShape(symbol, [.. Enumerable.Repeat(1, graph.Symbol!.Rank)], graph.StreamAxis);
        }

        graph.FindStates();
        graph.KeepRows(analysis);
        graph.JoinOutputs(analysis);
        graph.GiveProbabilities(areLogarithms);
        graph.RemoveUnusedInputs();
        graph.ForgetShapes();
        return graph;
    }

    /// <summary>The step graph as a file.</summary>
    internal byte[] ToBytes() => Model.ToByteArray();

    /// <summary>Refuses a row whose last value is not the number of a symbol, where the graph takes one.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    internal void RequireSymbol(ReadOnlySpan<float> row)
    {
        if ((ReadsSymbols || Symbol is not null)
            && !(row[^1] >= 0 && MathF.Floor(row[^1]) == row[^1] && (SymbolCount == 0 || row[^1] < SymbolCount)))
        {
            string most = SymbolCount == 0 ? "on" : string.Create(CultureInfo.InvariantCulture, $"to {SymbolCount - 1}");
            throw new ArgumentException($"{row[^1]} is not a symbol of this model. Use a whole number from 0 {most}.");
        }
    }

    // ONNX Runtime fails beyond the end of a table, and counts from there where a number is negative.
    private void FindSymbols(RowInputs inputs, RowAnalysis analysis)
    {
        if (inputs.Symbol is not { } symbol)
        {
            return;
        }

        long?[] tables = [.. _view.LookUps(symbol.Name)
            .Select(node => analysis.ValueOf(node.Input[0]) is ConstantValue { Shape: [var count, ..] } ? count : (long?)null)];
        SymbolCount = tables.Length > 0 && !tables.Contains(null) ? (int)Math.Min(tables.Min()!.Value, int.MaxValue) : 0;
        if (inputs.Beside is null)
        {
            return;
        }

        Symbol = new SymbolInput(symbol.Name, symbol.Type?.TensorType?.ElemType ?? Float, Shape(symbol).Length);
        if (SymbolCount == 0)
        {
            throw new ModelFormatException(
                $"Input '{symbol.Name}' is not looked up in a constant table, so how many symbols there are is not known. "
                    + $"Give it as columns of 0 and 1 among the readings.");
        }
    }

    // Without recurrent nodes: the first dimension that is neither the time nor the values of a row.
    private static int StreamAxisOf(RowAnalysis analysis, int[] shape)
    {
        int axis = Enumerable.Range(0, Math.Max(0, shape.Length - 1)).FirstOrDefault(each => each != analysis.Time, -1);
        return analysis.Convolutions.Count > 0 ? axis : -1;
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

        return axis < InputShape.Length ? axis : -1;
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
