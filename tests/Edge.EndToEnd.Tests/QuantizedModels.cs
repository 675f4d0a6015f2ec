using System.Collections.Concurrent;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>Trained models quantized over the first rows of their readings, each once for all tests of a run.</summary>
internal static class QuantizedModels
{
    private const int Rows = 1500;

    private static readonly TemporaryFolder Folder = new();
    private static readonly ConcurrentDictionary<string, Lazy<string>> Files = new();

    static QuantizedModels() => AppDomain.CurrentDomain.ProcessExit += (_, _) => Folder.Dispose();

    /// <summary>Path of the int8 model made of a model's <paramref name="file"/>.</summary>
    internal static string Of(string name, string file = "step.onnx") => Files.GetOrAdd($"{name}-{file}", key => new Lazy<string>(() =>
    {
        string rows = Folder.Write($"{key}.csv", string.Join('\n', File.ReadLines(SharedData.ReadingsOf(name)).Take(Rows + 1)));
        string target = Folder.File($"{key}.safetensors");
        Assert.Equal(0, Edge.Quantize.Program.Run(
            [
                "quantize",
                SharedData.Model(name, file),
                "--manifest",
                SharedData.Model(name, "model.json"),
                "--calibration",
                rows,
                "-o",
                target,
            ], TextWriter.Null, TextWriter.Null));
        return target;
    })).Value;
}
