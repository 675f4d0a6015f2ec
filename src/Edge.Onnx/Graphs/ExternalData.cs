using System.Globalization;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.Proto;

namespace Edge.Onnx.Graphs;

/// <summary>Tensor values that an ONNX file keeps in other files: only files in the model's folder are opened.</summary>
/// <param name="folder">The model's folder; null where a model has none, and then external data is refused.</param>
internal sealed class ExternalData(string? folder)
{
    /// <summary>Reads the bytes of a tensor.</summary>
    /// <exception cref="ModelFormatException">The place is outside the model's folder, not there, or too short.</exception>
    internal byte[] Read(TensorProto proto, string name, long length)
    {
        string location = Entry(proto, "location")
            ?? throw new ModelFormatException($"Tensor '{name}' has external values, but no file name. The file is damaged.");
        long offset = Number(proto, name, "offset") ?? 0;
        long claimed = Number(proto, name, "length") ?? length;
        if (claimed != length)
        {
            throw new ModelFormatException(
                $"Tensor '{name}' has {claimed} bytes in '{location}', its shape needs {length}. The file is damaged.");
        }

        string path = Resolve(location, name);
        try
        {
            using var stream = RegularFile.OpenRead(path);
            if (offset > stream.Length || length > stream.Length - offset)
            {
                throw new ModelFormatException(
                    $"Tensor '{name}' claims bytes {offset}..{offset + length} of '{location}', which has {stream.Length}. "
                        + $"The file is cut off or not the model's.");
            }

            stream.Seek(offset, SeekOrigin.Begin);
            byte[] bytes = new byte[length];
            stream.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw new ModelFormatException(
                $"Tensor '{name}' has its values in '{location}', which cannot be read next to the model: {e.Message}",
                e);
        }
    }

    /// <summary>Refuses a tensor whose values would be read from outside the model's folder.</summary>
    /// <exception cref="ModelFormatException">They would.</exception>
    internal void RequireInside(TensorProto proto)
    {
        if (proto.DataLocation == 1 || proto.ExternalData.Count > 0)
        {
            Resolve(Entry(proto, "location") ?? "", proto.Name);
        }
    }

    private string Resolve(string location, string name)
    {
        string refusal =
            $"Tensor '{name}' points to '{location}', outside the model's folder. Only files next to the model are read. "
                + $"Save the model with its weights inside or next to it.";
        if (folder is null || location.Length == 0 || Path.IsPathRooted(location) || location.Contains('\0')
            || location.Split('/', '\\').Any(part => part is ".." || part.Contains(':')))
        {
            throw new ModelFormatException(refusal);
        }

        // Every part may be a link to somewhere else.
        string path = folder;
        foreach (string part in location.Split('/', '\\', StringSplitOptions.RemoveEmptyEntries))
        {
            path = Path.Combine(path, part);
            var file = new FileInfo(path);
            if (file.LinkTarget is not null)
            {
                throw new ModelFormatException(refusal);
            }

            if (file.Exists && (file.Attributes & (FileAttributes.Device | FileAttributes.ReparsePoint)) != 0)
            {
                throw new ModelFormatException(refusal);
            }
        }

        return path;
    }

    private static string? Entry(TensorProto proto, string key) => proto.ExternalData.FirstOrDefault(entry => entry.Key == key)?.Value;

    private static long? Number(TensorProto proto, string name, string key)
    {
        if (Entry(proto, key) is not { } text)
        {
            return null;
        }

        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? number
            : throw new ModelFormatException(
                $"Tensor '{name}' has '{text}' as the {key} of its external data, which must be a whole number. The file is damaged.");
    }
}
