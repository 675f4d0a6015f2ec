using Edge.Onnx.OnnxRuntime;
using Edge.Onnx.Proto;
using Edge.Quantize.Import;
using Edge.Testing;
using Edge.Training.Reference;
using static Edge.Quantize.Tests.Graphs;

namespace Edge.Quantize.Tests;

/// <summary>
/// Activations between dense layers, as one operator and as exporters write them: float beside ONNX Runtime, int8 beside float.
/// </summary>
public sealed class DenseActivationTests : IDisposable
{
    private const int Rows = 400;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Names =>
    [
        "Elu", "LeakyRelu", "Selu", "Celu", "Softplus", "Softsign", "HardSwish", "Relu6", "PRelu", "SiLU", "HardSwish of parts", "GELU",
            "Mish",
    ];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void An_activation_is_exact_in_float_and_close_in_int8(string name)
    {
        var random = new Random(5);
        var graph = new Graph { Name = "activation" };
        graph.Input.Add(Value("x", 0, 1, 3));
        graph.Output.Add(Value("y", 0, 1, 2));
        graph.Initializer.Add(
            [
                Random(random, "W", 1, 32, 3), Random(random, "R", 1, 32, 8), Random(random, "B", 1, 64), Random(random, "D", 8, 6),
                Random(random, "H", 6, 2), Whole("one", 1),
            ]);
        Node lstm = Apply("LSTM", "rows", "x", "W", "R", "B");
        lstm.Attribute.Add(Int("hidden_size", 8));
        graph.Node.Add([lstm, Apply("Squeeze", "features", "rows", "one"), Apply("MatMul", "m", "features", "D")]);
        graph.Initializer.Add(Tensor("six_times", [6], 1));
        graph.Node.Add(Apply("Mul", "z", "m", "six_times"));
        Activate(graph, name);
        graph.Node.Add(Apply("MatMul", "y", "a", "H"));
        string path = _folder.File("m.onnx");
        byte[] bytes = Graphs.File(graph, name == "Mish" ? 18 : 17);
        System.IO.File.WriteAllBytes(path, bytes);
        float[] x = [.. Enumerable.Range(0, Rows * 3).Select(_ => (random.NextSingle() * 4) - 2)];
        System.IO.File.WriteAllBytes(
            _folder.File("x.f32"), System.Runtime.InteropServices.MemoryMarshal.AsBytes(x.AsSpan()).ToArray());

        FloatModel model = FloatModels.Load(path);
        using var sequence = new OnnxSequence(bytes, null);
        Assert.InRange(ImportCheck.Of(sequence.Run(x, Rows), model, x).Largest, 0, 2e-5);
        Assert.Equal(2, model.Layers.Count);
        string output = CommandLine.Done("quantize", path, "--calibration", _folder.File("x.f32"), "-o", _folder.File("m.safetensors"));
        Assert.Contains(": good", output, StringComparison.Ordinal);
        CommandLine.Done("infer", _folder.File("m.safetensors"), "--input", _folder.File("x.f32"), "--output", _folder.File("y.f32"));
    }

    private static void Activate(Graph graph, string name)
    {
        void Scalar(string constant, float value) => graph.Initializer.Add(Tensor(constant, [value], []));
        switch (name)
        {
            case "Relu6":
                Scalar("low", 0);
                Scalar("high", 6);
                graph.Node.Add(Apply("Clip", "a", "z", "low", "high"));
                break;
            case "PRelu":
                Scalar("slope", 0.2f);
                graph.Node.Add(Apply("PRelu", "a", "z", "slope"));
                break;
            case "SiLU":
                graph.Node.Add([Apply("Sigmoid", "s", "z"), Apply("Mul", "a", "z", "s")]);
                break;
            case "HardSwish of parts":
                Scalar("three", 3);
                Scalar("zero", 0);
                Scalar("six", 6);
                graph.Node.Add(
                    [Apply("Add", "p", "z", "three"), Apply("Clip", "q", "p", "zero", "six"), Apply("Mul", "r", "z", "q"),
                        Apply("Div", "a", "r", "six")]);
                break;
            case "GELU":
                Scalar("root", MathF.Sqrt(2));
                Scalar("unit", 1);
                Scalar("half", 0.5f);
                graph.Node.Add(
                    [
                        Apply("Div", "p", "z", "root"), Apply("Erf", "q", "p"), Apply("Add", "r", "q", "unit"), Apply("Mul", "s", "z", "r"),
                        Apply("Mul", "a", "s", "half"),
                    ]);
                break;
            case "Mish":
                graph.Node.Add([Apply("Softplus", "p", "z"), Apply("Tanh", "q", "p"), Apply("Mul", "a", "z", "q")]);
                break;
            default:
                graph.Node.Add(Apply(name, "a", "z"));
                break;
        }
    }
}
