using Edge.Inference.Models;
using Edge.Onnx;
using Edge.Runtime.Configuration;
using Edge.Runtime.Engines.Int8;
using Edge.Runtime.Engines.Onnx;

namespace Edge.Runtime.Engines;

/// <summary>Loads the models that streams name.</summary>
internal sealed class EngineFactory(OnnxOptions onnx) : IDisposable
{
    private const string BundledModel = "Edge.Runtime.Demo.greenhouse.safetensors";

    private OnnxEngines? _onnx;

    /// <summary>What a model's file name says of its engine.</summary>
    internal static EngineKind KindOf(string model) => model.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase) ? EngineKind.Onnx : EngineKind.Int8;

    /// <summary>Loads a stream's model.</summary>
    /// <exception cref="InputException">The model cannot be used.</exception>
    internal IInferenceEngine Load(StreamConfig stream)
    {
        IInferenceEngine engine = stream.Engine == EngineKind.Int8 ? LoadInt8(stream.Model) : LoadOnnx(stream.Model, stream.Manifest);
        return stream.Forecast.Horizon == 1 ? engine : new RolloutEngine(engine, stream.Forecast.Horizon);
    }

    /// <summary>Loads the model that a stream's saved state may still be of, or null.</summary>
    /// <exception cref="InputException">The model cannot be used.</exception>
    internal IInferenceEngine? LoadStateFrom(StreamConfig stream) =>
        stream.StateFrom is { } model ? Load(stream with { Model = model, Engine = KindOf(model) }) : null;

    public void Dispose() => _onnx?.Dispose();

    /// <param name="model">Path of a model file of edge-quantize, or <c>demo</c> for the bundled greenhouse.</param>
    /// <exception cref="InputException">The model cannot be used.</exception>
    internal static IInferenceEngine LoadInt8(string model)
    {
        if (model.Length == 0)
        {
            throw new InputException("There is no 'model' yet. Record readings (edge-runtime record), train and quantise one (docs/train.md), and name its file.");
        }

        try
        {
            EdgeModel loaded = model == "demo" ? EdgeModel.Parse(ReadBundled()) : EdgeModel.Load(model);
            RequireForecasts(model, loaded.Manifest, loaded.ReadsSymbols);
            return new Int8Engine(loaded);
        }
        catch (Exception e) when (e is ModelFormatException or ArgumentException)
        {
            throw new InputException(e.Message, e);
        }
    }

    private IInferenceEngine LoadOnnx(string model, string? manifest)
    {
        try
        {
            _onnx ??= new OnnxEngines(onnx);
            IInferenceEngine engine = _onnx.Load(model, manifest);
            RequireForecasts(model, engine.Manifest, readsSymbols: false);
            return engine;
        }
        catch (ModelFormatException e)
        {
            throw new InputException(e.Message, e);
        }
    }

    private static void RequireForecasts(string model, ModelManifest manifest, bool readsSymbols)
    {
        if (readsSymbols || !manifest.IsForecast)
        {
            throw new InputException(
                $"Model '{model}' {(readsSymbols ? "reads symbols, not readings" : "has outputs that forecast no column")}: a stream needs a model of readings whose manifest names every output COLUMN[t+N].");
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
