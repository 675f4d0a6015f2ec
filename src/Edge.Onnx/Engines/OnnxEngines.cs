using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.OnnxRuntime;
using Edge.Streams.Engines;

namespace Edge.Onnx.Engines;

/// <summary>The ONNX models of a process. Each is loaded once for all of its streams.</summary>
internal sealed class OnnxEngines(OnnxOptions options) : IDisposable
{
    // Streams whose outputs are of the same kinds share a model.
    private readonly Dictionary<(string File, string Outputs), OnnxModel> _models = [];

    /// <exception cref="ModelFormatException">The model, its manifest or the library cannot be used.</exception>
    internal IInferenceEngine Load(string path, string? manifestPath)
    {
        string file = Path.GetFullPath(path);
        ModelManifest manifest = ReadManifest(file, manifestPath);
        OnnxModel model = ModelOf(path, file, manifest);
        if (model.InputCount != manifest.InputCount || model.OutputCount != manifest.Outputs.Count)
        {
            string outputs = model.Outputs.Count == 1
                ? ""
                : $" ({string.Join(", ", model.Outputs.Select(output => $"'{output.Name}' {output.Count}"))})";
            throw new ModelFormatException(
                $"Model '{path}' has {Quantity.Of(model.InputCount, "input")} and {Quantity.Of(model.OutputCount, "output")}{outputs}, but "
                    + $"its manifest names {manifest.InputsInWords} and {Quantity.Of(manifest.Outputs.Count, "output")}. Use the "
                    + "manifest that was written with it.");
        }

        try
        {
            return new OnnxEngine(model, manifest.WithSymbols(model.SymbolCount));
        }
        catch (ModelFormatException e)
        {
            throw new ModelFormatException($"Model '{path}': {e.Message}", e);
        }
    }

    // A model whose calls fail is loaded again: by the next provider, if the first is lost.
    private OnnxModel ModelOf(string path, string file, ModelManifest manifest)
    {
        (string, string) key = (file, string.Join(' ', manifest.Outputs.Select(output => output.Kind)));
        lock (_models)
        {
            if (_models.TryGetValue(key, out OnnxModel? model))
            {
                if (!model.HasFailed)
                {
                    return model;
                }

                model.Retire();
                _models.Remove(key);
            }

            model = OnnxModel.Load(path, options, manifest.Outputs.Count, k => manifest.Outputs[k].Kind == OutputKind.Class);
            _models[key] = model;
            return model;
        }
    }

    public void Dispose()
    {
        foreach (OnnxModel model in _models.Values)
        {
            model.Dispose();
        }
    }

    // What a training script wrote beside its file: model.onnx's model.json, or the folder's model.json.
    private static ModelManifest ReadManifest(string file, string? manifestPath)
    {
        string own = Path.ChangeExtension(file, ".json");
        string folders = Path.Combine(Path.GetDirectoryName(file)!, "model.json");
        string path = manifestPath ?? (File.Exists(own) ? own : folders);
        if (!File.Exists(path))
        {
            throw new ModelFormatException(
                $"Model '{file}' has no manifest: neither '{own}' nor '{folders}' exists. "
                    + $"Write one (docs/train.md), or set 'manifest' to its path.");
        }

        try
        {
            return ModelManifest.Parse(RegularFile.ReadBytes(path));
        }
        catch (ModelFormatException e)
        {
            throw new ModelFormatException($"Manifest '{path}': {e.Message}", e);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new ModelFormatException($"Manifest '{path}' cannot be read: {e.Message}", e);
        }
    }
}
