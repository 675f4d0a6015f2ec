using System.Collections.Concurrent;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>Trained models quantised over the first rows of their readings, each once for all tests.</summary>
public sealed class QuantizedModels : IDisposable
{
    private const int Rows = 1500;

    private readonly TemporaryFolder _folder = new();
    private readonly ConcurrentDictionary<string, Lazy<string>> _files = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>Path of the int8 model made of a model's <paramref name="file"/>.</summary>
    internal string Of(string name, string file = "step.onnx") => _files.GetOrAdd($"{name}-{file}", key => new Lazy<string>(() =>
    {
        string rows = _folder.Write($"{key}.csv", string.Join('\n', File.ReadLines(SharedData.ReadingsOf(name)).Take(Rows + 1)));
        string target = _folder.File($"{key}.safetensors");
        Assert.Equal(0, Edge.Quantize.Program.Run(
            ["quantize", SharedData.Model(name, file), "--manifest", SharedData.Model(name, "model.json"), "--calibration", rows, "-o", target], TextWriter.Null, TextWriter.Null));
        return target;
    })).Value;
}
