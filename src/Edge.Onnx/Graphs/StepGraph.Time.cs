using System.Globalization;
using Edge.Inference;
using Edge.Onnx.Proto;

namespace Edge.Onnx.Graphs;

/// <summary>Rows that a step remembers: those that a causal convolution or a fixed window reads beside the present one.</summary>
internal sealed partial class StepGraph
{
    private const int OperatorSetMin = 11;

    // Each convolution reads its last rows and the present one; padding of the sequence has no place in a step.
    private void KeepRows(RowAnalysis analysis)
    {
        if (analysis.Convolutions.Count == 0 && analysis.Dropped.Count == 0)
        {
            return;
        }

        RequireOperatorSet();
        foreach (Node node in analysis.Dropped.Distinct())
        {
            string input = node.Input[0];
            node.Input.Clear();
            node.Input.Add(input);
            node.Attribute.Clear();
            (node.OpType, node.Domain) = ("Identity", "");
        }

        var states = new List<GraphState>();
        for (int k = 0; k < analysis.Convolutions.Count; k++)
        {
            CausalConvolution convolution = analysis.Convolutions[k];
            Node node = convolution.Node;
            string name = string.Create(CultureInfo.InvariantCulture, $"rows_{k}");
            int[] shape =
            [
                .. convolution.Axes.Select((axis, at) => at == convolution.Time ? convolution.Rows : axis.IsSingle ? 1
                    : (int)axis.Size!.Value),
            ];
            int streams = Array.FindIndex(convolution.Axes, axis => axis.Kind == RowAxisKind.Streams);
            states.Add(KeepRows(name, node.Input[0], shape, streams, convolution.Time, $"{name}_all", node));
            node.Input[0] = $"{name}_all";
            WithoutPadding(node, convolution);
        }

        States = [.. States, .. states];
    }

    // before ++ present, of which the last rows are the next state.
    private GraphState KeepRows(string name, string present, int[] shape, int streams, int time, string all, Node? reader)
    {
        var state = new GraphState($"{name}_in", $"{name}_out", shape, streams, []);
        Node join = Apply("Concat", all, state.Input, present);
        join.Attribute.Add(new Proto.Attribute { Name = "axis", Type = 2, I = time });
        AddWhole($"{name}_starts", -shape[time]);
        AddWhole($"{name}_ends", int.MaxValue);
        AddWhole($"{name}_axes", time);
        Node cut = Apply("Slice", state.Output, all, $"{name}_starts", $"{name}_ends", $"{name}_axes");
        foreach (Node node in new[] { cut, join })
        {
            // Nodes stand in the order in which they run.
            _view.Graph.Node.Remove(node);
            _view.Graph.Node.Insert(reader is null ? 0 : _view.Graph.Node.IndexOf(reader), node);
        }

        _view.Graph.Node.Remove(cut);
        _view.Graph.Node.Insert(_view.Graph.Node.IndexOf(join) + 1, cut);
        AddInput(state.Input, shape, streams);
        AddOutput(state.Output, shape, streams);
        return state;
    }

    private static void WithoutPadding(Node node, CausalConvolution convolution)
    {
        int spatial = convolution.Axes.Length - 2;
        long[] pads = [.. node.Attribute.FirstOrDefault(item => item.Name == "pads")?.Ints ?? []];
        pads = pads.Length == 2 * spatial ? pads : new long[2 * spatial];
        (pads[convolution.Time - 2], pads[convolution.Time - 2 + spatial]) = (0, 0);
        foreach (Proto.Attribute old in node.Attribute.Where(item => item.Name is "pads" or "auto_pad").ToArray())
        {
            node.Attribute.Remove(old);
        }

        node.Attribute.Add(new Proto.Attribute { Name = "pads", Type = 7, Ints = { pads } });
    }

    // The whole graph runs on the last rows at each tick. Before there are enough of them, its outputs are not numbers.
    private void KeepWindow(ValueInfo input, int time, int rows)
    {
        RequireOperatorSet();
        WindowRows = rows;
        if (InputType != Float)
        {
            throw new ModelFormatException($"Input '{Input}' takes a window of {rows} symbols. Only windows of readings are supported.");
        }

        int[] before = [.. InputShape.Select((size, axis) => axis == time ? rows - 1 : size)];
        string row = "edge_row";
        GraphState window = KeepRows("window", row, before, -1, time, Input, null);
        _view.Graph.Input.Remove(input);
        AddInput(row, InputShape, -1);
        Input = row;
        string joined = Newest(time, rows);
        _view.Graph.Initializer.Add(
        [
            new TensorProto { Name = "window_one", DataType = Float, Dims = { 1, 1 }, FloatData = { 1 } },
            new TensorProto { Name = "window_rows", DataType = Float, Dims = { 1, 1 }, FloatData = { rows } },
            new TensorProto { Name = "window_none", DataType = Float, Dims = { 1 }, FloatData = { float.NaN } },
        ]);
        Apply("Add", "edge_counted", "seen_in", "window_one");
        Apply("Min", "seen_out", "edge_counted", "window_rows");
        Apply("Less", "edge_is_short", "seen_out", "window_rows");
        Apply("Where", "edge_windowed", "edge_is_short", "window_none", joined);
        AddInput("seen_in", [1, 1], -1);
        AddOutput("seen_out", [1, 1], -1);
        _view.Graph.Output.Remove(_view.Graph.Output.First(output => output.Name == joined));
        _view.Graph.Output.Add(
            new ValueInfo { Name = "edge_windowed", Type = new Proto.Type { TensorType = new TensorType { ElemType = Float } } });
        Output = "edge_windowed";
        States = [window, new GraphState("seen_in", "seen_out", [1, 1], -1, [])];
        _view.Graph.ValueInfo.Clear();
    }

    // An output with a row for each row of the window: the last one counts.
    private string Newest(int time, int rows)
    {
        int k = 0;
        foreach ((string name, _) in Outputs)
        {
            ValueInfo output = _view.Graph.Output.First(each => each.Name == name);
            int[] shape = Shape(output);
            if (shape.Length == 0)
            {
                throw new ModelFormatException($"Output '{name}' of a window does not say its dimensions. Export it with them.");
            }

            if (shape.Length == InputShape.Length && shape[time] == rows)
            {
                AddWhole($"edge_last_{k}", -1);
                string renamed = $"edge_all_rows_{k++}";
                Rename(name, renamed);
                Node last = Apply("Gather", name, renamed, $"edge_last_{k - 1}");
                last.Attribute.Add(new Proto.Attribute { Name = "axis", Type = 2, I = time });
            }

            if (output.Type?.TensorType is { } type)
            {
                type.Shape = null;
            }
        }

        JoinOutputs(null);
        return Output;
    }

    private void Rename(string from, string to)
    {
        foreach (Node node in _view.Graph.Node)
        {
            for (int i = 0; i < node.Input.Count; i++)
            {
                node.Input[i] = node.Input[i] == from ? to : node.Input[i];
            }

            for (int i = 0; i < node.Output.Count; i++)
            {
                node.Output[i] = node.Output[i] == from ? to : node.Output[i];
            }
        }
    }

    private void RequireOperatorSet()
    {
        if (OperatorSet < OperatorSetMin)
        {
            throw new ModelFormatException(
                $"The graph uses operators from before set {OperatorSetMin}. Export it again with opset_version={OperatorSetMin} or "
                    + $"later.");
        }
    }

    private void AddWhole(string name, long value) =>
        _view.Graph.Initializer.Add(new TensorProto { Name = name, DataType = Int64, Dims = { 1 }, Int64Data = { value } });

    private void AddInput(string name, int[] shape, int streams)
    {
        var input = new ValueInfo { Name = name };
        SetShape(input, shape, streams);
        _view.Graph.Input.Add(input);
    }

    private void AddOutput(string name, int[] shape, int streams)
    {
        var output = new ValueInfo { Name = name };
        SetShape(output, shape, streams);
        _view.Graph.Output.Add(output);
    }
}
