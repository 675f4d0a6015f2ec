using Edge.Onnx.Proto;
using static Edge.Quantize.Tests.Graphs;

namespace Edge.Quantize.Tests;

/// <summary>Graphs of three readings and one of seven symbols, joined in different ways before an LSTM or a convolution.</summary>
internal static class SymbolGraph
{
    internal const int Readings = 3;
    internal const int Symbols = 7;
    private const int Width = 4;
    private const int Joined = Readings + Width;
    private const int Units = 8;
    private const int Int32 = 6;
    private const int Int64 = 7;

    /// <summary>The kinds that can be imported.</summary>
    internal static string[] Imported { get; } =
    [
        "readings first", "symbol first", "normalized readings", "normalized row", "scaled symbol", "symbol as a float", "symbol as int32",
        "three dimensions", "dense layer", "norm", "step",
    ];

    /// <summary>600 rows of readings about 0, each with a symbol after them.</summary>
    internal static float[] Rows(int readings, int symbols)
    {
        var random = new Random(8);
        return
        [
            .. Enumerable.Range(0, 600).SelectMany(row => Enumerable.Range(0, readings)
                .Select(i => MathF.Sin((0.1f * row) + i) + (0.5f * (random.NextSingle() - 0.5f)))
                .Append(row / 5 % symbols)),
        ];
    }

    /// <summary>The file of one kind.</summary>
    internal static byte[] File(string kind)
    {
        var random = new Random(21);
        var graph = new Graph { Name = "symbols" };
        int time = kind == "step" ? 1 : 0;
        graph.Input.Add(
        [
            Value("x", time, 1, Readings),
            Symbol(kind == "three dimensions" ? [time, 1, 1] : [time, 1], kind switch
            {
                "symbol as a float" => 1,
                "symbol as int32" => Int32,
                _ => Int64,
            }),
        ]);
        graph.Initializer.Add([Random(random, "table", Symbols, Width), Whole("one", 1), Whole("two", 2)]);
        string symbol = kind switch
        {
            "symbol as a float" => Add(graph, Apply("Cast", "id", "day"), Int("to", Int64)),
            "shifted symbol" => Add(graph, Apply("Sub", "id", "day", "one")),
            _ => "day",
        };
        string vector = Add(graph, Apply("Gather", "vector", "table", symbol));
        if (kind == "three dimensions")
        {
            vector = Add(graph, Apply("Squeeze", "flat", vector, "two"));
        }
        else if (kind == "scaled symbol")
        {
            graph.Initializer.Add(Tensor("factor", [2], 1));
            vector = Add(graph, Apply("Mul", "doubled", vector, "factor"));
        }

        string readings = kind switch
        {
            "normalized readings" => Normalize(graph, random, "x", Readings),
            "layer below" => Dense(graph, random, "x", Readings, Readings),
            _ => "x",
        };
        string[] parts = kind is "symbol first" or "normalized row" ? [vector, readings] : [readings, vector];
        string row = Add(graph, Apply("Concat", "row", parts), Int("axis", 2));
        row = kind switch
        {
            "normalized row" => Normalize(graph, random, row, Joined),
            "dense layer" => Dense(graph, random, row, Joined, Joined),
            "norm" => Norm(graph, row),
            _ => row,
        };
        string features = kind == "convolution" ? Convolve(graph, random, row) : Recur(graph, random, row, kind == "step");
        graph.Initializer.Add(Random(random, "head", Units, 2));
        Add(graph, Apply("MatMul", "y", features, "head"));
        graph.Output.Insert(0, Value("y", time, 1, 2));
        return Graphs.File(graph);
    }

    private static ValueInfo Symbol(long[] shape, int type)
    {
        ValueInfo symbol = Value("day", shape);
        symbol.Type.TensorType.ElemType = type;
        return symbol;
    }

    private static string Normalize(Graph graph, Random random, string value, int width)
    {
        graph.Initializer.Add(
        [
            Random(random, "mean", width),
            Tensor("std", [.. Enumerable.Range(0, width).Select(i => 0.5f + (0.25f * i))], width),
        ]);
        Add(graph, Apply("Sub", "centered", value, "mean"));
        return Add(graph, Apply("Div", "normalized", "centered", "std"));
    }

    private static string Dense(Graph graph, Random random, string value, int inputs, int outputs)
    {
        graph.Initializer.Add(Random(random, "mix", inputs, outputs));
        return Add(graph, Apply("MatMul", "mixed", value, "mix"));
    }

    private static string Norm(Graph graph, string value)
    {
        graph.Initializer.Add(Tensor("gain", [.. Enumerable.Range(0, Joined).Select(i => 0.5f + (0.1f * i))], Joined));
        return Add(graph, Apply("LayerNormalization", "normed", value, "gain"), Int("axis", -1));
    }

    private static string Recur(Graph graph, Random random, string value, bool isStep)
    {
        graph.Initializer.Add([Random(random, "W", 1, 4 * Units, Joined), Random(random, "R", 1, 4 * Units, Units)]);
        Node lstm = Apply("LSTM", "sequence", value, "W", "R");
        if (isStep)
        {
            graph.Input.Add([Value("h", 1, 1, Units), Value("c", 1, 1, Units)]);
            lstm.Input.Add(["", "", "h", "c"]);
            lstm.Output.Add(["next_h", "next_c"]);
            graph.Output.Add([Value("next_h", 1, 1, Units), Value("next_c", 1, 1, Units)]);
        }

        Add(graph, lstm, Int("hidden_size", Units));
        return Add(graph, Apply("Squeeze", "features", "sequence", "one"));
    }

    // Over three rows, the present one the last: [time, 1, values] becomes [1, values, time] and back.
    private static string Convolve(Graph graph, Random random, string value)
    {
        graph.Initializer.Add(Random(random, "kernel", Units, Joined, 3));
        Add(graph, Apply("Transpose", "channels", value), Ints("perm", 1, 2, 0));
        Add(graph, Apply("Conv", "convolved", "channels", "kernel"), Ints("pads", 2, 0));
        return Add(graph, Apply("Transpose", "features", "convolved"), Ints("perm", 2, 0, 1));
    }

    private static string Add(Graph graph, Node node, params Edge.Onnx.Proto.Attribute[] attributes)
    {
        node.Attribute.Add(attributes);
        graph.Node.Add(node);
        return node.Output[0];
    }

    private static Edge.Onnx.Proto.Attribute Ints(string name, params long[] values) => new() { Name = name, Type = 7, Ints = { values } };
}
