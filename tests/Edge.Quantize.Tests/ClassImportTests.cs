using System.Runtime.InteropServices;
using Edge.Inference;
using Edge.Inference.Kernels;
using Edge.Inference.Models;
using Edge.Onnx;
using Edge.Onnx.Engines;
using Edge.Onnx.OnnxRuntime;
using Edge.Onnx.Proto;
using Edge.Quantize.Import;
using Edge.Streams.Engines;
using Edge.Testing;
using Edge.Training.Reference;
using Google.Protobuf;
using static Edge.Quantize.Tests.Graphs;

namespace Edge.Quantize.Tests;

/// <summary>Graphs that say classes: logarithms of probabilities, and the number of the largest.</summary>
public sealed class ClassImportTests : IDisposable
{
    private const int Rows = 400;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(17)]
    [InlineData(12)]
    public void LogSoftmax_is_exact_in_float_and_the_same_in_every_kernel(int operators)
    {
        float[] x = Write(operators, ("LogSoftmax", "p", "scores"));
        FloatModel model = FloatModels.Load(_folder.File("m.onnx"));
        using var sequence = new OnnxSequence(System.IO.File.ReadAllBytes(_folder.File("m.onnx")), null);
        float[][] original = sequence.Run(x, Rows);
        Assert.InRange(ImportCheck.Of(original, model, x).Largest, 0, 2e-6);

        string output = CommandLine.Done(
            "quantize", _folder.File("m.onnx"), "--calibration", _folder.File("x.f32"), "-o", _folder.File("m.safetensors"));
        Assert.Contains(": good", output, StringComparison.Ordinal);
        float[] scalar = Run("scalar", x);
        Assert.All(InferenceSession.Kernels, kernel => Assert.Equal(scalar, Run(kernel, x)));
        Assert.All(Enumerable.Range(0, Rows), row =>
            Assert.InRange(Enumerable.Range(0, 3).Sum(k => Math.Exp(scalar[(3 * row) + k])), 1 - 1e-5, 1 + 1e-5));
        Assert.InRange(scalar.Zip(original.SelectMany(row => row), (a, b) => Math.Abs(a - b)).Max(), 0, 0.05f);
    }

    [Fact]
    public void Logarithms_that_a_manifest_names_as_classes_become_probabilities()
    {
        float[] x = Write(17, ("LogSoftmax", "p", "scores"));
        System.IO.File.WriteAllText(
            _folder.File("m.json"),
            """
            {"name": "m", "columns": ["a", "b", "c"], "period_seconds": 1, "mean": [0, 0, 0], "std": [1, 1, 1],
             "outputs_named": [{"state": ["still", "slow", "fast"]}]}
            """);
        string output = CommandLine.Done(
            "quantize", _folder.File("m.onnx"), "--manifest", _folder.File("m.json"), "--calibration", _folder.File("x.f32"), "-o",
            _folder.File("m.safetensors"));
        Assert.Contains("LogSoftmax: its values are named as classes, so the int8 model gives their probabilities", output,
            StringComparison.Ordinal);
        Assert.Contains("import: equals ONNX Runtime", output, StringComparison.Ordinal);
        float[] y = Run("scalar", x);
        Assert.All(y, value => Assert.InRange(value, 0, 1));
        Assert.InRange(y[..3].Sum(), 1 - 1e-5, 1 + 1e-5);
        string evaluation = CommandLine.Done(
            "evaluate", _folder.File("m.onnx"), _folder.File("m.safetensors"), "--data", _folder.File("x.f32"));
        Assert.Contains("state", evaluation, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("p", "{'state': ['still', 'slow', 'fast']}")]
    [InlineData("both", "'x', 'y', 'z', {'state': ['still', 'slow', 'fast']}")]
    public void Streams_of_ONNX_Runtime_give_probabilities_of_named_classes_and_the_other_values_as_they_are(string output, string named)
    {
        float[] x = WriteLogarithms(output, named);
        using OnnxModel original = OnnxModel.Load(_folder.File("m.onnx"), OnnxProvider.Options);
        using var engines = new OnnxEngines(OnnxProvider.Options);
        using IInferenceEngine engine = engines.Load(_folder.File("m.onnx"), null);
        int row = original.Open();
        (float[] raw, float[] given) = (new float[original.OutputCount], new float[original.OutputCount]);
        for (int at = 0; at < x.Length; at += 3)
        {
            original.Step(row, x.AsSpan(at, 3), raw);
            engine.Step(x.AsSpan(at, 3), given);
            Assert.Equal(raw[..^3], given[..^3]);
            Assert.Equal(1, given[^3..].Sum(), 1e-5f);
            Assert.All(raw[^3..].Zip(given[^3..]), pair => Assert.Equal(MathF.Exp(pair.First), pair.Second, 1e-6f));
        }
    }

    [Theory]
    [InlineData("p", "'x', {'state': ['slow', 'fast']}")]
    [InlineData("both", "'x', 'y', {'state': ['still', 'slow', 'fast', 'faster']}")]
    public void Logarithms_of_which_a_manifest_names_some_as_classes_are_refused_by_name(string output, string named)
    {
        WriteLogarithms(output, named);
        using var engines = new OnnxEngines(OnnxProvider.Options);
        string message = Assert.Throws<ModelFormatException>(() => engines.Load(_folder.File("m.onnx"), null)).Message;
        Assert.Contains($"Output '{output}' gives logarithms of probabilities (LogSoftmax node 'p')", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("scores", "scores")]
    [InlineData("scores", "p")]
    [InlineData("p", "p")]
    public void The_number_of_the_largest_is_left_out_beside_the_values_themselves(string of, string values)
    {
        float[] x = Write(17, ("Softmax", "p", "scores"), ("ArgMax", "n", of), ("Cast", "label", "n"), ("Identity", "v", values));
        FloatModel model = FloatModels.Load(_folder.File("m.onnx"));
        Assert.Equal([("v", 3)], model.Outputs);
        Assert.Equal(["Output 'label', the number of the largest value of 'v', which a stream finds by itself."], model.LeftOut);
        Assert.Equal(3, model.OutputCount);
        float[] y = new float[3];
        new FloatSession(model).Step(x.AsSpan(0, 3), y);
        Assert.Equal(values == "p", Math.Abs(y.Sum() - 1) < 1e-5);
    }

    [Fact]
    public void The_number_of_the_largest_of_other_values_is_refused()
    {
        Write(17, ("Relu", "p", "scores"), ("ArgMax", "n", "p"), ("Cast", "label", "n"), ("Identity", "v", "scores"));
        CommandLine.Refuses(["inspect", _folder.File("m.onnx")], "ArgMax node 'n' returns the number of the largest value only");
    }

    [Fact]
    public void The_logarithm_is_within_a_rounding_of_the_exact_one()
    {
        for (float v = 1; v < 1 << 24; v *= 1.00007f)
        {
            double exact = Math.Log(v);
            Assert.InRange(Math.Abs(OutputActivations.Log(v) - exact), 0, 1e-7 * (1 + exact));
        }

        Assert.Equal(0, OutputActivations.Log(1));
    }

    // A LogSoftmax alone, or "both": the scores and their LogSoftmax in one row.
    private float[] WriteLogarithms(string output, string named)
    {
        float[] x = Write(17, ("LogSoftmax", "p", "scores"));
        System.IO.File.WriteAllText(
            _folder.File("m.json"),
            $$"""
            {"name": "m", "columns": ["a", "b", "c"], "period_seconds": 1, "mean": [0, 0, 0], "std": [1, 1, 1],
             "outputs_named": [{{named.Replace('\'', '"')}}]}
            """);
        if (output == "both")
        {
            Model file = Model.Parser.ParseFrom(System.IO.File.ReadAllBytes(_folder.File("m.onnx")));
            Node join = Apply("Concat", "both", "scores", "p");
            join.Attribute.Add(Int("axis", 2));
            file.Graph.Node.Add(join);
            file.Graph.Output.Clear();
            file.Graph.Output.Add(Value("both", 0, 1, 6));
            System.IO.File.WriteAllBytes(_folder.File("m.onnx"), file.ToByteArray());
        }

        return x;
    }

    private float[] Run(string kernel, float[] x)
    {
        EdgeModel model = EdgeModel.Load(_folder.File("m.safetensors"));
        var session = new InferenceSession(model, kernel);
        float[] y = new float[Rows * model.OutputCount];
        for (int row = 0; row < Rows; row++)
        {
            session.Step(x.AsSpan(row * 3, 3), y.AsSpan(row * model.OutputCount, model.OutputCount));
        }

        return y;
    }

    // An LSTM and a dense layer, and what follows; the outputs are "label", where there is one, and the last value.
    private float[] Write(int operators, params (string Type, string Output, string Input)[] nodes)
    {
        var random = new Random(5);
        var graph = new Graph { Name = "classes" };
        graph.Input.Add(Value("x", 0, 1, 3));
        graph.Initializer.Add([Random(random, "W", 1, 32, 3), Random(random, "R", 1, 32, 8), Random(random, "D", 8, 3)]);
        Node lstm = Apply("LSTM", "rows", "x", "W", "R");
        lstm.Attribute.Add(Int("hidden_size", 8));
        Node squeeze = Apply("Squeeze", "features", "rows");
        if (operators < 13)
        {
            squeeze.Attribute.Add(new Edge.Onnx.Proto.Attribute { Name = "axes", Type = 7, Ints = { 1 } });
        }
        else
        {
            graph.Initializer.Add(Whole("one", 1));
            squeeze.Input.Add("one");
        }

        graph.Node.Add([lstm, squeeze, Apply("MatMul", "scores", "features", "D")]);
        foreach ((string type, string output, string input) in nodes)
        {
            Node node = Apply(type, output, input);
            if (type is "Softmax" or "LogSoftmax" or "ArgMax")
            {
                node.Attribute.Add(Int("axis", 2));
            }
            else if (type == "Cast")
            {
                node.Attribute.Add(Int("to", 1));
            }

            graph.Node.Add(node);
        }

        if (nodes.Any(node => node.Output == "label"))
        {
            graph.Output.Add(Value("label", 0, 1, 1));
        }

        graph.Output.Add(Value(nodes[^1].Output, 0, 1, 3));
        System.IO.File.WriteAllBytes(_folder.File("m.onnx"), Graphs.File(graph, operators));
        float[] x = [.. Enumerable.Range(0, Rows * 3).Select(_ => (random.NextSingle() * 4) - 2)];
        System.IO.File.WriteAllBytes(_folder.File("x.f32"), MemoryMarshal.AsBytes(x.AsSpan()).ToArray());
        return x;
    }
}
