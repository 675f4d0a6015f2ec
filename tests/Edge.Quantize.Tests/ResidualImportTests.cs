using System.Runtime.InteropServices;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.OnnxRuntime;
using Edge.Onnx.Proto;
using Edge.Quantize.Import;
using Edge.Testing;
using Edge.Training.Reference;
using static Edge.Quantize.Tests.Graphs;

namespace Edge.Quantize.Tests;

/// <summary>
/// Layer norms and residual connections of ONNX graphs: float beside ONNX Runtime, int8 beside float, every kernel the same bytes.
/// </summary>
public sealed class ResidualImportTests : IDisposable
{
    private const int Rows = 400;
    private const int Width = 6;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, string> Streamable => new()
    {
        { "operator", "norm" },
        { "operator without bias", "norm" },
        { "operator of another epsilon", "norm" },
        { "power and division", "norm" },
        { "product and division", "norm" },
        { "reciprocal", "norm" },
        { "epsilon first", "norm" },
        { "axes as input", "norm" },
        { "x + layer(x)", "residual" },
        { "layer(x) + x", "residual" },
        { "sum", "residual" },
        { "x + relu(x)", "residual" },
        { "scaled x + layer(x)", "residual" },
        { "readings + layer(readings)", "residual" },
        { "norm(x + layer(norm(x)))", "norm, residual" },
        { "residual inside a residual", "residual, residual" },
    };

    public static TheoryData<string, string> Others => new()
    {
        { "norm of parts of a row", "LayerNormalization node 'n' normalizes parts of a row" },
        { "mean of another value", "ReduceMean node 'mean' averages the values of a row" },
        { "two branches", "Add node 'a' combines two branches of the model" },
        { "branch of another width", "Add node 'a' combines two branches of the model" },
        { "gated branch", "Mul node 'a' combines two branches of the model" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Streamable))]
    public void It_is_exact_in_float_close_in_int8_and_the_same_in_every_kernel(string name, string layers)
    {
        (string path, float[] x) = Write(name);
        FloatModel model = FloatModels.Load(path);
        using var sequence = new OnnxSequence(System.IO.File.ReadAllBytes(path), null);
        Assert.InRange(ImportCheck.Of(sequence.Run(x, Rows), model, x).Largest, 0, 2e-5);

        string output = CommandLine.Done("quantize", path, "--calibration", _folder.File("x.f32"), "-o", _folder.File("m.safetensors"));
        Assert.Contains(": good", output, StringComparison.Ordinal);
        EdgeModel quantized = EdgeModel.Load(_folder.File("m.safetensors"));
        Assert.Equal(layers, string.Join(", ", quantized.Layers.Select(layer => layer.Type).Where(type => type is "norm" or "residual")));
        byte[] scalar = Run(quantized, x, "scalar");
        Assert.All(InferenceSession.Kernels, kernel => Assert.Equal(scalar, Run(quantized, x, kernel)));
    }

    [Theory]
    [MemberData(nameof(Others))]
    public void What_is_no_norm_and_no_residual_connection_is_refused_by_its_node(string name, string sentence)
    {
        (string path, _) = Write(name);
        CommandLine.Refuses(["quantize", path, "--calibration", _folder.File("x.f32"), "-o", _folder.File("m.safetensors")], sentence);
    }

    private static byte[] Run(EdgeModel model, float[] x, string kernel)
    {
        var session = new InferenceSession(model, kernel);
        float[] y = new float[Rows * model.OutputCount];
        for (int row = 0; row < Rows; row++)
        {
            session.Step(x.AsSpan(row * 3, 3), y.AsSpan(row * model.OutputCount, model.OutputCount));
        }

        return [.. MemoryMarshal.AsBytes(y.AsSpan()), .. session.State];
    }

    private (string Path, float[] X) Write(string name)
    {
        var random = new Random(7);
        var graph = new Graph { Name = "residual" };
        graph.Input.Add(Value("x", 0, 1, 3));
        graph.Output.Add(Value("y", 0, 1, 2));
        graph.Initializer.Add(
            [
                Random(random, "W", 1, 4 * Width, 3), Random(random, "R", 1, 4 * Width, Width), Random(random, "B", 1, 8 * Width),
                Random(random, "W2", 1, 3 * Width, Width), Random(random, "R2", 1, 3 * Width, Width), Random(random, "H", Width, 2),
                Random(random, "W3", 1, 12, 3), Random(random, "R3", 1, 12, 3), Random(random, "D", Width, Width),
                Random(random, "D2", Width, Width), Random(random, "H3", 3, 2), Random(random, "gamma", Width),
                Random(random, "beta", Width), Whole("one", 1), Whole("last", -1),
            ]);

        // A value of six values a row that has gone through an LSTM.
        Recurrent(graph, "LSTM", "features", "x", "W", "R", Width);
        Add(graph, name);
        System.IO.File.WriteAllBytes(_folder.File("m.onnx"), Graphs.File(graph, name == "axes as input" ? 18 : 17));
        float[] x = [.. Enumerable.Range(0, Rows * 3).Select(_ => (random.NextSingle() * 4) - 2)];
        System.IO.File.WriteAllBytes(_folder.File("x.f32"), MemoryMarshal.AsBytes(x.AsSpan()).ToArray());
        return (_folder.File("m.onnx"), x);
    }

    private static void Add(Graph graph, string name)
    {
        void Put(string type, string output, params string[] inputs) => graph.Node.Add(Apply(type, output, inputs));
        void Head(string features) => Put("MatMul", "y", features, "H");
        switch (name)
        {
            case "operator":
                Put("LayerNormalization", "n", "features", "gamma", "beta");
                Head("n");
                break;
            case "operator without bias":
                Put("LayerNormalization", "n", "features", "gamma");
                Head("n");
                break;
            case "operator of another epsilon":
                Put("LayerNormalization", "n", "features", "gamma", "beta");
                graph.Node[^1].Attribute.Add(new Edge.Onnx.Proto.Attribute { Name = "epsilon", Type = 1, F = 0.01f });
                Head("n");
                break;
            case "norm of parts of a row":
                graph.Initializer.Add([Whole("parts", 0, 0, 2, 3), Whole("whole", 0, 0, 6), Tensor("three", [1, 1, 1], 3)]);
                Put("Reshape", "p", "features", "parts");
                Put("LayerNormalization", "n", "p", "three");
                Put("Reshape", "w", "n", "whole");
                Head("w");
                break;
            case "x + layer(x)" or "layer(x) + x" or "sum" or "scaled x + layer(x)":
                string from = "features";
                if (name == "scaled x + layer(x)")
                {
                    Put("Mul", "scaled", "features", "gamma");
                    from = "scaled";
                }

                Recurrent(graph, "GRU", "layer", from, "W2", "R2", Width);
                Put(name == "sum" ? "Sum" : "Add", "a", name == "layer(x) + x" ? ["layer", from] : [from, "layer"]);
                Head("a");
                break;
            case "x + relu(x)":
                Put("MatMul", "d", "features", "D");
                Put("Relu", "r", "d");
                Put("Add", "a", "d", "r");
                Head("a");
                break;
            case "readings + layer(readings)":
                Recurrent(graph, "LSTM", "layer", "x", "W3", "R3", 3);
                Put("Add", "a", "x", "layer");
                Put("MatMul", "y", "a", "H3");
                break;
            case "norm(x + layer(norm(x)))":
                Put("LayerNormalization", "n", "features", "gamma", "beta");
                Recurrent(graph, "GRU", "layer", "n", "W2", "R2", Width);
                Put("Add", "a", "features", "layer");
                Head("a");
                break;
            case "residual inside a residual":
                Put("MatMul", "d", "features", "D");
                Put("Tanh", "t", "d");
                Put("MatMul", "e", "t", "D2");
                Put("Add", "inner", "t", "e");
                Put("Add", "a", "features", "inner");
                Head("a");
                break;
            case "two branches" or "gated branch":
                Put("MatMul", "d", "features", "D");
                Recurrent(graph, "GRU", "layer", "features", "W2", "R2", Width);
                Put(name == "two branches" ? "Add" : "Mul", "a", "d", "layer");
                Head("a");
                break;
            case "branch of another width":
                graph.Initializer.Add(Random(new Random(1), "D1", Width, 1));
                Put("MatMul", "d", "features", "D1");
                Put("Add", "a", "features", "d");
                Head("a");
                break;
            default:
                NormOfParts(graph, name);
                Put("Mul", "g", "n", "gamma");
                Put("Add", "b", "g", "beta");
                Head("b");
                break;
        }
    }

    private static void NormOfParts(Graph graph, string name)
    {
        void Put(string type, string output, params string[] inputs) => graph.Node.Add(Apply(type, output, inputs));
        void Mean(string output, string input)
        {
            Put("ReduceMean", output, name == "axes as input" ? [input, "last"] : [input]);
            if (name != "axes as input")
            {
                graph.Node[^1].Attribute.Add(new Edge.Onnx.Proto.Attribute { Name = "axes", Type = 7, Ints = { 2 } });
            }
        }

        graph.Initializer.Add([Tensor("two", [2], []), Tensor("epsilon", [1e-5f], [])]);
        string of = "features";
        if (name == "mean of another value")
        {
            Put("MatMul", "d", "features", "D");
            of = "d";
        }

        Mean("mean", of);
        Put("Sub", "difference", "features", "mean");
        Put(name == "product and division" ? "Mul" : "Pow", "square", "difference", name == "product and division" ? "difference" : "two");
        Mean("variance", "square");
        Put("Add", "sum", name == "epsilon first" ? ["epsilon", "variance"] : ["variance", "epsilon"]);
        Put("Sqrt", "root", "sum");
        if (name == "reciprocal")
        {
            Put("Reciprocal", "inverse", "root");
            Put("Mul", "n", "inverse", "difference");
        }
        else
        {
            Put("Div", "n", "difference", "root");
        }
    }

    private static void Recurrent(Graph graph, string type, string output, string input, string weight, string recurrent, int units)
    {
        Node node = Apply(type, $"{output}_rows", type == "LSTM" && units == Width ? [input, weight, recurrent, "B"]
            : [input, weight, recurrent]);
        node.Attribute.Add(Int("hidden_size", units));
        graph.Node.Add([node, Apply("Squeeze", output, $"{output}_rows", "one")]);
    }
}
