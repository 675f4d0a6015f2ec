using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Edge.Inference.Models;

/// <summary>One tensor of a safetensors file: its element type (safetensors name), shape and bytes.</summary>
/// <param name="DType">Element type: I8, I16, I32, F32 and so on.</param>
/// <param name="Shape">Dimensions, outermost first.</param>
/// <param name="Bytes">Little-endian, row-major.</param>
public readonly record struct Tensor(string DType, IReadOnlyList<int> Shape, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>Wraps an array of a primitive type.</summary>
    public static Tensor Of<T>(string dtype, T[] values, params int[] shape)
        where T : unmanaged => new(dtype, shape, MemoryMarshal.AsBytes<T>(values).ToArray());

    /// <summary>Copies the elements out.</summary>
    public T[] ToArray<T>()
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(Bytes.Span).ToArray();
}

/// <summary>
/// The safetensors container: an 8-byte little-endian header length, a JSON header, then the tensors' bytes. Every entry
/// of the header is checked against the file before it is used.
/// </summary>
public sealed class TensorFile
{
    /// <summary>Largest header that is read, in bytes.</summary>
    public const int HeaderMaxBytes = 1 << 20;

    /// <summary>Most tensors a file may hold.</summary>
    public const int TensorsMax = 1024;

    private static readonly Dictionary<string, int> ElementBytes = new()
    {
        ["I8"] = 1,
        ["U8"] = 1,
        ["BOOL"] = 1,
        ["I16"] = 2,
        ["U16"] = 2,
        ["F16"] = 2,
        ["BF16"] = 2,
        ["I32"] = 4,
        ["U32"] = 4,
        ["F32"] = 4,
        ["I64"] = 8,
        ["U64"] = 8,
        ["F64"] = 8,
    };

    private readonly Dictionary<string, Tensor> _tensors;

    private TensorFile(Dictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        _tensors = tensors;
        Metadata = metadata;
    }

    /// <summary>The header's free text entries.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Every tensor by name.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => _tensors;

    /// <summary>Reads a container from its bytes. The tensors refer to <paramref name="file"/>; nothing is copied.</summary>
    /// <exception cref="ModelFormatException">The bytes are not a safetensors file, or its header is wrong.</exception>
    public static TensorFile Parse(ReadOnlyMemory<byte> file)
    {
        if (file.Length < 8)
        {
            throw new ModelFormatException(
                $"The file has {file.Length} bytes, too few for a safetensors header. Copy or quantize the model again.");
        }

        ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(file.Span);
        bool beginsWithHeader = file.Length > 8 && file.Span[8] == '{';
        if (headerLength > HeaderMaxBytes && !beginsWithHeader)
        {
            throw new ModelFormatException(
                "The file does not begin as a safetensors file does. Give a .safetensors file, or export it again.");
        }

        if (headerLength > HeaderMaxBytes || headerLength > (ulong)file.Length - 8)
        {
            throw new ModelFormatException(
                $"The safetensors header should have {headerLength} bytes; the file has {file.Length - 8}. The file is cut off or damaged. "
                    + "Copy or export it again.");
        }

        ReadOnlyMemory<byte> header = file.Slice(8, (int)headerLength);
        ReadOnlyMemory<byte> data = file[(8 + (int)headerLength)..];
        try
        {
            using JsonDocument document = JsonDocument.Parse(header, new JsonDocumentOptions { MaxDepth = 8 });
            return ReadHeader(document.RootElement, data);
        }
        catch (JsonException e)
        {
            throw new ModelFormatException(
                $"The safetensors header is not valid JSON (line {1 + e.LineNumber}, byte {e.BytePositionInLine}). The file is damaged. "
                    + "Copy or export it again.",
                e);
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFormatException("The header holds text that is not valid Unicode. The file is damaged.", e);
        }
    }

    /// <summary>Writes a container: same tensors and metadata, same bytes.</summary>
    public static byte[] Write(IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var header = new MemoryStream();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                json.WriteString(key, value);
            }

            json.WriteEndObject();
            long offset = 0;
            foreach ((string name, Tensor tensor) in Ordered(tensors))
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", tensor.DType);
                json.WriteStartArray("shape");
                foreach (int dimension in tensor.Shape)
                {
                    json.WriteNumberValue(dimension);
                }

                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                offset += tensor.Bytes.Length;
                json.WriteNumberValue(offset);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        while (header.Length % 8 != 0)
        {
            header.WriteByte((byte)' ');
        }

        using var file = new MemoryStream();
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        file.Write(length);
        header.WriteTo(file);
        foreach ((string _, Tensor tensor) in Ordered(tensors))
        {
            file.Write(tensor.Bytes.Span);
        }

        return file.ToArray();
    }

    // Wide elements first, as the format's own writer does, so that every tensor is aligned to its element.
    private static IEnumerable<KeyValuePair<string, Tensor>> Ordered(IReadOnlyDictionary<string, Tensor> tensors) =>
        tensors.OrderByDescending(pair => ElementBytes[pair.Value.DType]).ThenBy(pair => pair.Key, StringComparer.Ordinal);

    private static TensorFile ReadHeader(JsonElement root, ReadOnlyMemory<byte> data)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new ModelFormatException("The header is not a JSON object. The file is damaged or not a safetensors file.");
        }

        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        var extents = new List<(long Begin, long End, string Name)>();
        bool metadataSeen = false;
        foreach (JsonProperty property in root.EnumerateObject())
        {
            if (property.NameEquals("__metadata__"))
            {
                if (metadataSeen)
                {
                    throw new ModelFormatException("The header has two __metadata__ entries. The file is damaged.");
                }

                metadataSeen = true;
                ReadMetadata(property.Value, metadata);
                continue;
            }

            string name = property.Name;
            (Tensor tensor, long begin) = ReadTensor(name, property.Value, data);
            if (!tensors.TryAdd(name, tensor))
            {
                throw new ModelFormatException($"Tensor '{Shorten(name)}' appears twice in the header. The file is damaged.");
            }

            if (tensors.Count > TensorsMax)
            {
                throw new ModelFormatException($"The header names more than {TensorsMax} tensors. This is not a model for this runtime.");
            }

            extents.Add((begin, begin + tensor.Bytes.Length, name));
        }

        RequireTiled(extents, data.Length);
        return new TensorFile(tensors, metadata);
    }

    private static void ReadMetadata(JsonElement element, Dictionary<string, string> metadata)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new ModelFormatException("__metadata__ in the header is not an object. The file is damaged.");
        }

        foreach (JsonProperty entry in element.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.String || !metadata.TryAdd(entry.Name, entry.Value.GetString()!))
            {
                throw new ModelFormatException(
                    $"__metadata__ entry '{Shorten(entry.Name)}' is not a string or appears twice. The file is damaged.");
            }
        }
    }

    private static (Tensor Tensor, long Begin) ReadTensor(string name, JsonElement element, ReadOnlyMemory<byte> data)
    {
        string where = $"Tensor '{Shorten(name)}'";
        if (element.ValueKind != JsonValueKind.Object || element.GetPropertyCount() != 3
            || !element.TryGetProperty("dtype", out JsonElement dtype) || dtype.ValueKind != JsonValueKind.String
            || !element.TryGetProperty("shape", out JsonElement shape) || shape.ValueKind != JsonValueKind.Array
            || !element.TryGetProperty("data_offsets", out JsonElement offsets) || offsets.ValueKind != JsonValueKind.Array)
        {
            throw new ModelFormatException($"{where}: the header entry is not exactly dtype, shape and data_offsets. The file is damaged.");
        }

        if (!ElementBytes.TryGetValue(dtype.GetString()!, out int elementBytes))
        {
            throw new ModelFormatException($"{where}: element type '{Shorten(dtype.GetString()!)}' is not known.");
        }

        if (shape.GetArrayLength() > 8)
        {
            throw new ModelFormatException($"{where}: {shape.GetArrayLength()} dimensions; 8 is the limit.");
        }

        var dimensions = new List<int>();
        long elements = 1;
        foreach (JsonElement dimension in shape.EnumerateArray())
        {
            if (dimension.ValueKind != JsonValueKind.Number || !dimension.TryGetInt32(out int size) || size < 0)
            {
                throw new ModelFormatException($"{where}: shape has a dimension that is not a whole number from 0 to {int.MaxValue}.");
            }

            dimensions.Add(size);
            elements *= size;
            if (elements > int.MaxValue)
            {
                throw new ModelFormatException($"{where}: the shape has more elements than a file can hold.");
            }
        }

        if (offsets.GetArrayLength() != 2
            || offsets[0].ValueKind != JsonValueKind.Number || !offsets[0].TryGetInt64(out long begin)
            || offsets[1].ValueKind != JsonValueKind.Number || !offsets[1].TryGetInt64(out long end)
            || begin < 0 || end < begin || end > data.Length)
        {
            throw new ModelFormatException(
                $"{where}: data_offsets do not lie within the file's {data.Length} data bytes. The file is cut off or damaged.");
        }

        if (end - begin != elements * elementBytes)
        {
            throw new ModelFormatException(
                $"{where}: data_offsets span {end - begin} bytes, the shape needs {elements * elementBytes}. The file is damaged.");
        }

        return (new Tensor(dtype.GetString()!, dimensions, data.Slice((int)begin, (int)(end - begin))), begin);
    }

    // No overlap, no hole, nothing after the last tensor: every byte belongs to exactly one tensor.
    private static void RequireTiled(List<(long Begin, long End, string Name)> extents, long dataLength)
    {
        extents.Sort();
        long expected = 0;
        foreach ((long begin, long end, string name) in extents)
        {
            if (begin != expected)
            {
                throw new ModelFormatException(
                    $"Tensor '{Shorten(name)}' begins at byte {begin} of the data, but must begin at {expected}: "
                        + $"tensors {(begin < expected ? "overlap" : "leave a hole")}. The file is damaged.");
            }

            expected = end;
        }

        if (expected != dataLength)
        {
            throw new ModelFormatException($"{dataLength - expected} bytes follow the last tensor. The file is damaged.");
        }
    }

    private static string Shorten(string text)
    {
        var clean = new StringBuilder();
        foreach (char character in text.Length > 60 ? text[..60] + "…" : text)
        {
            clean.Append(char.IsControl(character) ? '?' : character);
        }

        return clean.ToString();
    }
}
