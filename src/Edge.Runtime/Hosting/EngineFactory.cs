using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx;
using Edge.Onnx.Engines;
using Edge.Runtime.Configuration;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Hosting;

/// <summary>Loads the models that streams name.</summary>
internal sealed class EngineFactory(OnnxOptions onnx) : IDisposable
{
    private const string BundledModel = "Edge.Runtime.Demo.greenhouse.safetensors";

    private OnnxEngines? _onnx;

    /// <summary>Loads a stream's model.</summary>
    /// <exception cref="InputException">The model cannot be used.</exception>
    internal IInferenceEngine Load(StreamConfig stream)
    {
        IInferenceEngine engine = stream.Engine == EngineKind.Int8 ? LoadInt8(stream.Model) : LoadOnnx(stream.Model, stream.Manifest);
        return stream.Forecast.Horizon == 1 ? engine : new RolloutEngine(engine, stream.Forecast.Horizon);
    }

    /// <summary>Loads the model that a stream's saved state may come from, or null.</summary>
    /// <exception cref="InputException">The model cannot be used.</exception>
    internal IInferenceEngine? LoadStateFrom(StreamConfig stream) =>
        stream.StateFrom is { } model ? Load(stream with { Model = model, Engine = StreamConfig.EngineOf(model) }) : null;

    public void Dispose() => _onnx?.Dispose();

    /// <param name="model">Path of a model file of edge-quantize, or <c>demo</c> for the bundled greenhouse.</param>
    /// <exception cref="InputException">The model cannot be used.</exception>
    internal static IInferenceEngine LoadInt8(string model)
    {
        if (model.Length == 0)
        {
            throw new InputException(
                "There is no 'model'. Record readings (edge-runtime record), train and quantize a model (docs/train.md), and set 'model' "
                    + "to its file.");
        }

        EdgeModel loaded = model == "demo" ? EdgeModel.Parse(ReadBundled()) : EdgeModel.Load(model);
        RequireReadings(model, loaded.ReadsSymbols);
        try
        {
            return new Int8Engine(loaded);
        }
        catch (ArgumentException e)
        {
            throw new InputException(e.Message, e);
        }
    }

    private IInferenceEngine LoadOnnx(string model, string? manifest)
    {
        _onnx ??= new OnnxEngines(onnx);
        IInferenceEngine engine = _onnx.Load(model, manifest);
        return engine;
    }

    private static void RequireReadings(string model, bool readsSymbols)
    {
        if (readsSymbols)
        {
            throw new InputException($"Model '{model}' reads symbols, not readings: a stream needs a model of readings.");
        }
    }

    private static byte[] ReadBundled()
    {
        using Stream stream = typeof(EngineFactory).Assembly.GetManifestResourceStream(BundledModel)!;
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
