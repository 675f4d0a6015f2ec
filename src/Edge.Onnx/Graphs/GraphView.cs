using System.Runtime.InteropServices;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.Proto;
using Google.Protobuf;

namespace Edge.Onnx.Graphs;

/// <summary>An ONNX graph with the queries that a rewrite of recurrent graphs needs.</summary>
internal sealed class GraphView
{
    private const int NodesMax = 100_000;

    // Operators that move a state about without changing a value of it.
    private static readonly HashSet<string> Moves =
        [
            "Identity", "Slice", "Split", "Gather", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Concat", "Expand", "Tile",
            "Cast", "Flatten",
        ];

    private readonly Dictionary<string, Node> _producers = new(StringComparer.Ordinal);
    private readonly Dictionary<Node, int> _recurrent = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, TensorProto> _constants = new(StringComparer.Ordinal);

    /// <exception cref="ModelFormatException">The bytes are no ONNX graph.</exception>
    internal GraphView(byte[] bytes)
        : this(Parse(bytes))
    {
    }

    /// <exception cref="ModelFormatException">The model has no graph.</exception>
    internal GraphView(Model model)
    {
        Model = model;
        if (Model.Graph is null || Model.Graph.Node.Count is 0 or > NodesMax)
        {
            throw new ModelFormatException("This file holds no ONNX graph. Export the model again, for instance with torch.onnx.export.");
        }

        foreach (TensorProto initializer in Graph.Initializer)
        {
            _constants[initializer.Name] = initializer;
            if (initializer.DataType == 1 && initializer.DataLocation == 0 && Array.Exists(Floats(initializer), float.IsNaN))
            {
                throw new ModelFormatException(
                    $"Tensor '{initializer.Name}' holds NaN, which is not finite: the training diverged or the file is damaged.");
            }
        }

        foreach (Node node in Graph.Node)
        {
            foreach (string output in node.Output)
            {
                _producers[output] = node;
            }

            if (node.OpType == "Constant"
                && node.Output.Count == 1
                && node.Attribute.FirstOrDefault(item => item.Name == "value")?.T is { } tensor)
            {
                _constants[node.Output[0]] = tensor;
            }
        }

        Recurrent = [.. Graph.Node.Where(IsRecurrent)];
        for (int i = 0; i < Recurrent.Count; i++)
        {
            if (Recurrent[i].Input.Count < 3)
            {
                throw new ModelFormatException(
                    $"{Label(Recurrent[i])} has {Recurrent[i].Input.Count} inputs, but needs readings and weights. The file is damaged.");
            }

            _recurrent[Recurrent[i]] = i;
        }

        Inputs = [.. Graph.Input.Where(input => !_constants.ContainsKey(input.Name))];
    }

    private static Model Parse(byte[] bytes)
    {
        try
        {
            return Model.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new ModelFormatException(
                "This is not a whole ONNX file: its encoding ends early or is damaged. Export or copy it again.",
                e);
        }
    }

    /// <summary>Whether a node carries a state from row to row. ONNX Runtime's DynamicQuantizeLSTM is an LSTM with int8 weights.</summary>
    internal static bool IsRecurrent(Node node) => node.OpType is "LSTM" or "GRU" or "RNN" or "DynamicQuantizeLSTM";

    /// <summary>Whether it has a cell state beside the hidden state.</summary>
    internal static bool HasCell(Node node) => node.OpType is "LSTM" or "DynamicQuantizeLSTM";

    internal Model Model { get; }

    internal Graph Graph => Model.Graph;

    /// <summary>A recurrent node's place in <see cref="Recurrent"/>.</summary>
    internal int IndexOf(Node recurrent) => _recurrent[recurrent];

    /// <summary>LSTM, GRU and RNN nodes, in the order of the file.</summary>
    internal IReadOnlyList<Node> Recurrent { get; }

    /// <summary>Inputs that the caller gives, as older files list their weights among them too.</summary>
    internal IReadOnlyList<ValueInfo> Inputs { get; }

    /// <summary>Version of the standard operators.</summary>
    internal long OperatorSet => Model.OpsetImport.FirstOrDefault(set => set.Domain is "" or "ai.onnx")?.Version ?? 1;

    internal bool IsConstant(string name) => _constants.ContainsKey(name);

    /// <summary>Name of a node in messages.</summary>
    internal string Label(Node node) =>
        $"{node.OpType} node {(node.Name.Length > 0 ? $"'{node.Name}'" : $"number {Graph.Node.IndexOf(node)}")}";

    internal static long Int(Node node, string attribute, long otherwise) =>
        node.Attribute.FirstOrDefault(item => item.Name == attribute)?.I ?? otherwise;

    internal static string Text(Node node, string attribute) =>
        node.Attribute.FirstOrDefault(item => item.Name == attribute)?.S.ToStringUtf8() ?? "";

    /// <summary>The node that gives a value, or null for an input or a constant of the file.</summary>
    internal Node? Producer(string name) => _producers.GetValueOrDefault(name);

    /// <summary>Inputs of the graph that a value is computed from; its dimensions alone do not count.</summary>
    internal HashSet<string> Sources(string name)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var open = new Stack<string>([name]);
        while (open.TryPop(out string? next))
        {
            if (next.Length > 0 && seen.Add(next) && Producer(next) is { } node && node.OpType != "Shape")
            {
                foreach (string input in node.Input)
                {
                    open.Push(input);
                }
            }
        }

        seen.IntersectWith(Inputs.Select(input => input.Name));
        return seen;
    }

    /// <summary>The nodes that look a value up in a table: those that gather by it, moved about at most.</summary>
    internal IReadOnlyList<Node> LookUps(string name)
    {
        var found = new List<Node>();
        var open = new Stack<string>([name]);
        while (open.TryPop(out string? next))
        {
            foreach (Node node in Graph.Node)
            {
                if (node.OpType == "Gather" && node.Input.Count == 2 && node.Input[1] == next)
                {
                    found.Add(node);
                }
                else if (node.OpType != "Gather" && Moves.Contains(node.OpType) && node.Input.FirstOrDefault() == next)
                {
                    open.Push(node.Output[0]);
                }
            }
        }

        return found;
    }

    /// <summary>The nodes of a type whose results are a part of a value, moved about at most.</summary>
    internal IReadOnlyList<Node> PartsOf(string name, string type)
    {
        var found = new List<Node>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var open = new Stack<string>([name]);
        while (open.TryPop(out string? next))
        {
            if (!seen.Add(next) || Producer(next) is not { } node)
            {
                continue;
            }

            if (node.OpType == type)
            {
                found.Add(node);
            }
            else if (Moves.Contains(node.OpType))
            {
                foreach (string input in node.OpType == "Concat" ? node.Input : node.Input.Take(1))
                {
                    open.Push(input);
                }
            }
        }

        return found;
    }

    /// <summary>
    /// The outputs of recurrent nodes that a value consists of, if it is nothing but those, moved about; else null.
    /// </summary>
    /// <returns>Places in <see cref="Recurrent"/>, and which of the node's outputs.</returns>
    internal HashSet<(int Recurrent, int Output)>? MovedOutputs(string name)
    {
        var found = new HashSet<(int, int)>();
        var open = new Stack<string>([name]);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (open.TryPop(out string? next))
        {
            if (!seen.Add(next))
            {
                continue;
            }

            if (Producer(next) is not { } node)
            {
                return null;
            }

            if (_recurrent.TryGetValue(node, out int index))
            {
                found.Add((index, node.Output.IndexOf(next)));
            }
            else if (Moves.Contains(node.OpType))
            {
                foreach (string input in node.OpType == "Concat" ? node.Input : node.Input.Take(1))
                {
                    open.Push(input);
                }
            }
            else
            {
                return null;
            }
        }

        return found;
    }

    /// <summary>
    /// The values of an initial state that no input takes part in: empty if all are zero, whatever their number, or those of the one
    /// constant that is moved into place.
    /// </summary>
    /// <exception cref="ModelFormatException">It is computed in an unsupported way.</exception>
    internal float[] InitialState(string name, Node of, int units)
    {
        float[]? values = null;
        var open = new Stack<string>([name]);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (open.TryPop(out string? next))
        {
            if (!seen.Add(next))
            {
                continue;
            }

            if (_constants.TryGetValue(next, out TensorProto? constant))
            {
                float[] floats = Floats(constant);
                bool isZero = Array.TrueForAll(floats, value => value == 0);
                if (!isZero && (values is not null || floats.Length != units))
                {
                    throw NotUnderstood();
                }

                values = isZero ? values : floats;
            }
            else if (Producer(next) is not { } node)
            {
                throw NotUnderstood();
            }
            else if (node.OpType == "ConstantOfShape")
            {
                if (node.Attribute.FirstOrDefault(item => item.Name == "value")?.T is { } fill && Floats(fill).Any(value => value != 0))
                {
                    throw NotUnderstood();
                }
            }
            else if (Moves.Contains(node.OpType))
            {
                foreach (string input in node.OpType == "Concat" ? node.Input : node.Input.Take(1))
                {
                    open.Push(input);
                }
            }
            else
            {
                throw NotUnderstood();
            }
        }

        return values ?? [];

        ModelFormatException NotUnderstood() => new(
            $"{Label(of)} starts from a state that other nodes compute ('{name}'), which a stream cannot carry. "
                + $"Export with initial states as inputs, constants or absent.");
    }

    private static float[] Floats(TensorProto tensor) =>
        tensor.DataType != 1 ? [float.NaN]
        : tensor.HasRawData ? MemoryMarshal.Cast<byte, float>(tensor.RawData.Span).ToArray()
        : [.. tensor.FloatData];
}
