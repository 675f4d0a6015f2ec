using System.Runtime.InteropServices;
using Edge.Onnx.OnnxRuntime;
using Edge.Onnx.Proto;
using Edge.Quantize.Import;
using Edge.Testing;
using static Edge.Quantize.Tests.Graphs;

namespace Edge.Quantize.Tests;

/// <summary>What the comparison with ONNX Runtime can tell, and what it cannot.</summary>
public sealed class ImportCheckTests : IDisposable
{
    private const int Rows = 600;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_model_that_magnifies_rounding_is_compared_until_it_does_and_is_quantized()
    {
        (byte[] bytes, float[] x) = Model(recurrent: 12);
        using var sequence = new OnnxSequence(bytes, null);
        float[][] original = sequence.Run(x, Rows);
        Assert.True(ImportCheck.Of(original, FloatModels.Import(bytes), x).Largest > ImportCheck.Tolerance);
        float[][] steady = ImportCheck.SteadyPart(sequence, original, x);
        Assert.InRange(steady.Length, 5, Rows - 1);
        Assert.InRange(ImportCheck.Of(steady, FloatModels.Import(bytes), x).Largest, 0, ImportCheck.Tolerance);
        Assert.Contains("from then on the model itself magnifies rounding", Quantize(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_that_forgets_is_compared_over_all_rows()
    {
        (byte[] bytes, float[] x) = Model(recurrent: 1);
        using var sequence = new OnnxSequence(bytes, null);
        Assert.Equal(Rows, ImportCheck.SteadyPart(sequence, sequence.Run(x, Rows), x).Length);
        Assert.Contains($"import: equals ONNX Runtime over {Rows} rows", Quantize(), StringComparison.Ordinal);
    }

    private string Quantize() => CommandLine.Done(
        "quantize", _folder.File("m.onnx"), "--calibration", _folder.File("x.f32"), "-o", _folder.File("m.safetensors"));

    // An LSTM of 16 units with random weights; large recurrent ones make it chaotic.
    private (byte[] Bytes, float[] Rows) Model(float recurrent)
    {
        var random = new Random(3);
        float[] weights = [.. Enumerable.Range(0, 64 * 16).Select(_ => recurrent * ((2 * random.NextSingle()) - 1))];
        var graph = new Graph { Name = "lstm" };
        graph.Input.Add(Value("x", 0, 1, 2));
        graph.Output.Add(Value("y", 0, 1, 1));
        graph.Initializer.Add(
            [Random(random, "W", 1, 64, 2), Tensor("R", weights, [1, 64, 16]), Random(random, "D", 16, 1), Whole("one", 1)]);
        Node lstm = Apply("LSTM", "rows", "x", "W", "R");
        lstm.Attribute.Add(Int("hidden_size", 16));
        graph.Node.Add([lstm, Apply("Squeeze", "features", "rows", "one"), Apply("MatMul", "y", "features", "D")]);
        byte[] bytes = Graphs.File(graph, 17);
        System.IO.File.WriteAllBytes(_folder.File("m.onnx"), bytes);
        float[] x = [.. Enumerable.Range(0, Rows * 2).Select(_ => (random.NextSingle() * 2) - 1)];
        System.IO.File.WriteAllBytes(_folder.File("x.f32"), MemoryMarshal.AsBytes(x.AsSpan()).ToArray());
        return (bytes, x);
    }
}
