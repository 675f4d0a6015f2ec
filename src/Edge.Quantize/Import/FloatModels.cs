using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Onnx;
using Edge.Training.Reference;

namespace Edge.Quantize.Import;

/// <summary>Reads a trained float model of any supported format, detected by content, not by name.</summary>
internal static class FloatModels
{
    /// <summary>Largest model file that is read, in bytes.</summary>
    internal const long FileMaxBytes = 64L << 20;

    /// <summary>Largest manifest that is read, in bytes.</summary>
    internal const long ManifestMaxBytes = 16L << 20;

    /// <summary>
    /// Reads a model: ONNX, safetensors with PyTorch's names or those of an xLSTM block stack, or NumPy's .npz.
    /// </summary>
    /// <param name="path">The model.</param>
    /// <param name="manifest">
    /// Its manifest; null for the .json file of the same name, if there is one. Only an xLSTM block stack needs it.
    /// </param>
    /// <exception cref="InputException">The file is not a model that can be imported; the message says what and where.</exception>
    internal static FloatModel Load(string path, string? manifest = null)
    {
        byte[] bytes = FileBytes.Read(path, "Model", FileMaxBytes);
        string beside = Path.ChangeExtension(path, ".json");
        manifest ??= IsTensorFile(bytes) && File.Exists(beside) ? beside : null;
        byte[]? description = manifest is null ? null : FileBytes.Read(manifest, "Manifest", ManifestMaxBytes);
        try
        {
            return Import(bytes, Path.GetDirectoryName(Path.GetFullPath(path)), description);
        }
        catch (InputException e)
        {
            throw new InputException($"Model '{path}': {e.Message}", e);
        }
    }

    /// <summary>Reads a model from its bytes.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="folder">Where an ONNX model's external data may lie; null for nowhere.</param>
    /// <param name="description">The text of the model's manifest, or null.</param>
    /// <exception cref="InputException">The bytes are not a model that can be imported.</exception>
    internal static FloatModel Import(byte[] bytes, string? folder = null, byte[]? description = null)
    {
        if (bytes.Length == 0)
        {
            throw new InputException("The file is empty. Export or copy it again.");
        }

        if (bytes.Length > 4 && bytes[0] == 0x89 && bytes.AsSpan(1).StartsWith("HDF"u8))
        {
            throw new InputException(
                "This is an HDF5 file (Keras). Convert it: python -m tf2onnx.convert --keras model.h5 --output model.onnx.");
        }

        if (bytes.AsSpan().StartsWith("PK"u8))
        {
            return NumpyWeights.Import(bytes);
        }

        return IsTensorFile(bytes) ? TorchWeights.Import(bytes, description) : OnnxImporter.Import(bytes, folder);
    }

    /// <summary>
    /// Whether a file is a safetensors file, whole or damaged: its first eight bytes are a length that fits into the file, or its header
    /// begins as a JSON object does. In an ONNX file or an archive, the same bytes are far larger than any file.
    /// </summary>
    internal static bool IsTensorFile(ReadOnlySpan<byte> bytes) => bytes.Length > 9
        && (bytes[8] == (byte)'{' || (BitConverter.ToUInt64(bytes) is > 1 and var header && header <= (ulong)bytes.Length - 8));
}
