using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx;
using Edge.Onnx.Engines;
using Edge.Runtime.Configuration;
using Edge.Runtime.Control;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Hosting;

/// <summary>Loads the models that streams name.</summary>
internal sealed class EngineFactory(OnnxOptions onnx) : IDisposable
{
    private const string BundledModel = "Edge.Runtime.Demo.greenhouse.safetensors";

    private OnnxEngines? _onnx;

    /// <summary>Loads a stream's model; a stream that learns may have none yet.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="say">Told why a learned model is not used, or null.</param>
    /// <exception cref="InputException">The model cannot be used.</exception>
    internal IInferenceEngine Load(StreamConfig stream, Action<string>? say = null)
    {
        if (stream.Learn is { Columns.Count: > 0 } learn)
        {
            return LoadLearned(stream, learn, say);
        }

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

    // What was learned for other columns or horizons, or is damaged, is no reason not to start: it is learned again.
    private static IInferenceEngine LoadLearned(StreamConfig stream, LearnOptions learn, Action<string>? say)
    {
        var none = NoModelEngine.Of(stream.Name, learn.Columns, stream.Period!.Value, learn.Horizons);
        if (!File.Exists(stream.Model))
        {
            return none;
        }

        try
        {
            IInferenceEngine engine = LoadInt8(stream.Model);
            if (CanaryModel.Fits(none.Manifest, engine.Manifest))
            {
                return engine;
            }

            say?.Invoke($"The learned model '{stream.Model}' is of other columns, units or horizons. A new one is learned.");
        }
        catch (Exception e) when (e is InputException or ModelFormatException)
        {
            say?.Invoke($"The learned model cannot be used, a new one is learned: {e.Message}");
        }

        return none;
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
