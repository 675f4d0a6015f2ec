using Edge.Inference.Models;
using Edge.Runtime.Engines.Int8;

namespace Edge.Runtime.Engines;

/// <summary>Loads the model a stream names.</summary>
internal static class EngineFactory
{
    private const string BundledModel = "Edge.Runtime.Demo.greenhouse.safetensors";

    /// <param name="model">Path of a model file, or <c>demo</c> for the bundled greenhouse.</param>
    /// <param name="horizon">Ticks for which a one-step model is rolled out; 1 for the model's own outputs.</param>
    /// <exception cref="InputException">The model cannot be used.</exception>
    internal static IInferenceEngine Load(string model, int horizon = 1)
    {
        IInferenceEngine engine = LoadModel(model);
        return horizon == 1 ? engine : new RolloutEngine(engine, horizon);
    }

    private static Int8Engine LoadModel(string model)
    {
        if (model.Length == 0)
        {
            throw new InputException("There is no 'model' yet. Record readings (edge-runtime record), train and quantise one (docs/train.md), and name its file.");
        }

        try
        {
            EdgeModel loaded = model == "demo" ? EdgeModel.Parse(ReadBundled()) : EdgeModel.Load(model);
            if (loaded.ReadsSymbols || !loaded.Manifest.IsForecast)
            {
                throw new InputException(
                    $"Model '{model}' {(loaded.ReadsSymbols ? "reads symbols, not readings" : "has outputs that forecast no column")}: a stream needs a model of readings whose manifest names every output COLUMN[t+N].");
            }

            return new Int8Engine(loaded);
        }
        catch (Exception e) when (e is ModelFormatException or ArgumentException)
        {
            throw new InputException(e.Message, e);
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
