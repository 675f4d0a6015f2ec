using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Quantize.Import;

/// <summary>Tells int8 models and float models apart: both may be safetensors files.</summary>
internal static class ModelKind
{
    /// <summary>Whether a file is, or at least was, an int8 model of edge-quantize.</summary>
    /// <exception cref="InputException">The file is missing or cannot be read.</exception>
    internal static bool IsInt8(string path)
    {
        byte[] bytes = FileBytes.Read(path, "Model", EdgeModel.FileMaxBytes);
        try
        {
            return FloatModels.IsTensorFile(bytes) && TensorFile.Parse(bytes).Metadata.ContainsKey("edge");
        }
        catch (ModelFormatException)
        {
            // Damaged: the reader of int8 models says how.
            return true;
        }
    }
}
