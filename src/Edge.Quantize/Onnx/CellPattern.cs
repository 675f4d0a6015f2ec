using Edge.Onnx.Graphs;
using Edge.Onnx.Proto;

namespace Edge.Quantize.Onnx;

/// <summary>
/// Finds the operators that PyTorch exports for an LSTMCell or a GRUCell, and puts an LSTM or GRU node in their place.
/// </summary>
internal sealed class CellPattern
{
    private readonly GraphView _view;
    private readonly ExternalData _external;
    private int _cells;

    private CellPattern(GraphView view, ExternalData external)
    {
        _view = view;
        _external = external;
    }

    /// <summary>The graph with nodes for its cells; the same if it has none.</summary>
    internal static GraphView Replace(GraphView view, ExternalData external)
    {
        var pattern = new CellPattern(view, external);
        foreach (Node node in view.Graph.Node.ToArray())
        {
            if (pattern.Lstm(node) || pattern.Gru(node))
            {
                pattern._cells++;
            }
        }

        return pattern._cells == 0 ? view : new GraphView(view.Model);
    }

    // h' = σ(o)·tanh(c'), c' = σ(f)·c + σ(i)·tanh(g); i, f, g, o are parts of W·x + R·h + b.
    private bool Lstm(Node hidden)
    {
        if (hidden.OpType != "Mul" || Pair(hidden, "Sigmoid", "Tanh") is not var (o, exposed)
            || _view.Producer(exposed.Input[0]) is not { OpType: "Add" } cell
            || cell.Input.Select(_view.Producer).ToArray() is not [{ OpType: "Mul" } a, { OpType: "Mul" } b])
        {
            return false;
        }

        (Node admitted, Node kept) = Pair(a, "Sigmoid", "Tanh") is null ? (b, a) : (a, b);
        if (Pair(admitted, "Sigmoid", "Tanh") is not var (i, g)
            || kept.Input.Select(_view.Producer).FirstOrDefault(node => node?.OpType == "Sigmoid") is not { } f
            || kept.Input.FirstOrDefault(name => _view.Producer(name) != f) is not { } state || _view.Sources(state).Count == 0
            || _view.Producer(i.Input[0]) is not { OpType: "Split", Output.Count: 4 } split
            || new[] { f, g, o }.Any(node => _view.Producer(node.Input[0]) != split)
            || _view.Producer(split.Input[0]) is not { OpType: "Add" } sum
            || Products(sum.Input[0], sum.Input[1], 4) is not var (x, h))
        {
            return false;
        }

        int[] order = [.. new[] { i, o, f, g }.Select(node => split.Output.IndexOf(node.Input[0]))];
        Put("LSTM", hidden, x, h, order, state, cell.Output[0], []);
        return true;
    }

    // r = σ(xr + hr), z = σ(xz + hz), n = tanh(xn + r·hn), h' = n + z·(h - n).
    private bool Gru(Node hidden)
    {
        if (hidden.OpType != "Add"
            || hidden.Input.FirstOrDefault(name => _view.Producer(name)?.OpType == "Tanh") is not { } fresh
            || _view.Producer(hidden.Input.FirstOrDefault(name => name != fresh) ?? "") is not { OpType: "Mul" } update
            || Pair(update, "Sigmoid", "Sub") is not var (z, change) || change.Input.ElementAtOrDefault(1) != fresh
            || _view.Producer(_view.Producer(fresh)!.Input[0]) is not { OpType: "Add" } candidate
            || candidate.Input.Select(_view.Producer).FirstOrDefault(node => node?.OpType == "Mul") is not { } reset
            || reset.Input.Select(_view.Producer).FirstOrDefault(node => node?.OpType == "Sigmoid") is not { } r
            || candidate.Input.FirstOrDefault(name => _view.Producer(name) != reset) is not { } xn
            || reset.Input.FirstOrDefault(name => _view.Producer(name) != r) is not { } hn
            || _view.Producer(xn) is not { OpType: "Split", Output.Count: 3 } ofInput
            || _view.Producer(hn) is not { OpType: "Split", Output.Count: 3 } ofState
            || Products(ofInput.Input[0], ofState.Input[0], 3) is not var (x, h) || h.Value != change.Input[0])
        {
            return false;
        }

        int[] order = [PartOf(z, ofInput), PartOf(r, ofInput), ofInput.Output.IndexOf(xn)];
        int[] same = [PartOf(z, ofState), PartOf(r, ofState), ofState.Output.IndexOf(hn)];
        if (order.Contains(-1) || !order.SequenceEqual(same))
        {
            return false;
        }

        Put("GRU", hidden, x, h, order, null, null, [new Edge.Onnx.Proto.Attribute { Name = "linear_before_reset", Type = 2, I = 1 }]);
        return true;
    }

    // Which part of a split a gate's sum reads.
    private int PartOf(Node gate, Node split) => _view.Producer(gate.Input[0]) is { OpType: "Add" } sum
        ? split.Output.IndexOf(sum.Input.FirstOrDefault(split.Output.Contains) ?? "")
        : -1;

    private (Node, Node)? Pair(Node node, string first, string second)
    {
        Node?[] from = [.. node.Input.Select(_view.Producer)];
        return from.Length != 2 ? null
            : from[0]?.OpType == first && from[1]?.OpType == second ? (from[0]!, from[1]!)
            : from[1]?.OpType == first && from[0]?.OpType == second ? (from[1]!, from[0]!)
            : null;
    }

    // One of two sums is of the readings, the other of the state: the one that reads another input than the first.
    private (Product X, Product H)? Products(string first, string second, int gates)
    {
        if (ProductOf(first) is not { } a || ProductOf(second) is not { } b || a.Rows != b.Rows || a.Rows % gates != 0)
        {
            return null;
        }

        bool IsState(Product product) => product.Columns == product.Rows / gates
            && _view.Inputs.Skip(1).Any(input => input.Name == product.Value);
        return IsState(b) ? (a, b) : IsState(a) ? (b, a) : null;
    }

    private Product? ProductOf(string name)
    {
        if (_view.Producer(name) is not { OpType: "Gemm", Input.Count: >= 2 } gemm
            || Tensor(gemm.Input[1]) is not { Shape.Length: 2 } weight
            || GraphView.Int(gemm, "transA", 0) != 0 || new OnnxNode(gemm, 0) is var node
                && (node.Float("alpha", 1) != 1 || node.Float("beta", 1) != 1))
        {
            return null;
        }

        bool isTransposed = GraphView.Int(gemm, "transB", 0) != 0;
        int rows = weight.Shape[isTransposed ? 0 : 1];
        int columns = weight.Shape[isTransposed ? 1 : 0];
        float[] values = isTransposed
            ? weight.Values
            : [.. Enumerable.Range(0, rows * columns).Select(at => weight.Values[(at % columns * rows) + (at / columns)])];
        float[]? bias = gemm.Input.Count < 3 ? new float[rows] : Tensor(gemm.Input[2])?.Values;
        return bias?.Length == rows ? new Product(gemm.Input[0], rows, columns, values, bias) : null;
    }

    private OnnxTensor? Tensor(string name) =>
        _view.Graph.Initializer.FirstOrDefault(each => each.Name == name) is { } initializer
            ? OnnxTensor.Read(initializer, name, _external)
            : null;

    private void Put(
        string type, Node hidden, Product x, Product h, int[] order, string? cellIn, string? cellOut,
            Edge.Onnx.Proto.Attribute[] attributes)
    {
        string name = $"{type.ToLowerInvariant()}_cell_{_cells}";
        int units = x.Rows / order.Length;
        Graph graph = _view.Graph;
        int at = graph.Node.IndexOf(hidden);
        graph.Initializer.Add(
        [
            Constant($"{name}_w", [1, x.Rows, x.Columns], Reordered(x.Weight, order, units * x.Columns)),
            Constant($"{name}_r", [1, x.Rows, units], Reordered(h.Weight, order, units * units)),
            Constant($"{name}_b", [1, 2 * x.Rows], [.. Reordered(x.Bias, order, units), .. Reordered(h.Bias, order, units)]),
            new TensorProto { Name = $"{name}_axis", DataType = 7, Dims = { 1 }, Int64Data = { 0 } },
        ]);
        var cell = new Node
        {
            OpType = type,
            Name = name,
            Input = { $"{name}_x", $"{name}_w", $"{name}_r", $"{name}_b", "", $"{name}_h" },
            Output = { "", $"{name}_hidden" },
        };
        cell.Attribute.Add([new Edge.Onnx.Proto.Attribute { Name = "hidden_size", Type = 2, I = units }, .. attributes]);
        var nodes = new List<Node> { Apply("Unsqueeze", $"{name}_x", x.Value), Apply("Unsqueeze", $"{name}_h", h.Value), cell };
        if (cellIn is not null)
        {
            nodes.Insert(0, Apply("Unsqueeze", $"{name}_c", cellIn));
            cell.Input.Add($"{name}_c");
            cell.Output.Add($"{name}_cell");
            nodes.Add(Apply("Squeeze", cellOut!, $"{name}_cell"));
            graph.Node.Remove(_view.Producer(cellOut!)!);
            at--;
        }

        nodes.Add(Apply("Squeeze", hidden.Output[0], $"{name}_hidden"));
        graph.Node.Remove(hidden);
        foreach (Node node in nodes)
        {
            graph.Node.Insert(at++, node);
        }

        Node Apply(string move, string output, string input) =>
            new() { OpType = move, Name = output, Input = { input, $"{name}_axis" }, Output = { output } };
    }

    private static float[] Reordered(float[] values, int[] order, int part) =>
        [.. order.SelectMany(gate => values[(gate * part)..((gate + 1) * part)])];

    private static TensorProto Constant(string name, long[] shape, float[] values) =>
        new() { Name = name, DataType = 1, Dims = { shape }, FloatData = { values } };

    // W·value + b.
    private sealed record Product(string Value, int Rows, int Columns, float[] Weight, float[] Bias);
}
