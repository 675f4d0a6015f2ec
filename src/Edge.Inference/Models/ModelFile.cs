using System.Text;
using System.Text.Json;
using Edge.Inference.Cells;

namespace Edge.Inference.Models;

/// <summary>
/// The int8 model inside a safetensors container. Tensors: <c>input.offset</c>, <c>input.scale</c>, <c>layers.N.*</c>,
/// <c>head.*</c>; metadata: <c>edge</c> (layers and fixed-point positions), <c>manifest</c>, <c>provenance</c>.
/// </summary>
internal static class ModelFile
{
    /// <summary>Version of the layout that this code reads and writes.</summary>
    internal const int FormatVersion = 1;

    /// <summary>Most recurrent layers.</summary>
    internal const int LayersMax = 32;

    /// <summary>Most inputs, hidden units or outputs of a layer.</summary>
    internal const int UnitsMax = 4096;

    internal static EdgeModel Read(TensorFile file, string sha256)
    {
        if (!file.Metadata.TryGetValue("edge", out string? architectureText) || !file.Metadata.TryGetValue("manifest", out string? manifestText))
        {
            throw new ModelFormatException(
                "This is a safetensors file, but not one of edge-quantize: its metadata lacks 'edge' and 'manifest'. Run edge-quantize quantize on the trained model.");
        }

        var reader = new Reader(file);
        using JsonDocument document = ParseArchitecture(architectureText);
        JsonElement root = document.RootElement;
        int version = Number(root, "format", 1, int.MaxValue);
        if (version != FormatVersion)
        {
            throw new ModelFormatException($"The file's format is {version}; this version reads format {FormatVersion}. Update edge-runtime or quantise the model again.");
        }

        if (!root.TryGetProperty("layers", out JsonElement layerList) || layerList.ValueKind != JsonValueKind.Array
            || layerList.GetArrayLength() is 0 or > LayersMax)
        {
            throw new ModelFormatException($"Metadata 'edge': 'layers' must list 1 to {LayersMax} layers.");
        }

        var layers = new List<LstmCell>();
        foreach (JsonElement element in layerList.EnumerateArray())
        {
            int inputMax = layers.Count == 0 ? short.MaxValue : sbyte.MaxValue;
            LstmCell layer = ReadLstm(reader, element, $"layers.{layers.Count}", inputMax);
            if (layers.Count > 0 && layers[^1].HiddenCount != layer.InputCount)
            {
                throw new ModelFormatException($"layers.{layers.Count} takes {layer.InputCount} inputs, but the layer below has {layers[^1].HiddenCount} units.");
            }

            layers.Add(layer);
        }

        int inputs = layers[0].InputCount;
        float[] offset = reader.Take<float>("input.offset", "F32", inputs);
        float[] scale = reader.Take<float>("input.scale", "F32", inputs);
        int bad = Array.FindIndex(scale, value => !float.IsNormal(value) || value < 0);
        if (bad >= 0 || Array.Exists(offset, value => !float.IsFinite(value)))
        {
            throw new ModelFormatException("input.scale or input.offset holds a value that is not a finite, positive scale or finite offset. The file is damaged.");
        }

        Dense head = ReadDense(reader, root, layers[^1].HiddenCount);
        reader.RequireAllTaken();
        ModelManifest manifest = ModelManifest.Parse(Encoding.UTF8.GetBytes(manifestText));
        if (manifest.Columns.Count != inputs || manifest.Outputs.Count != head.OutputCount)
        {
            throw new ModelFormatException(
                $"The manifest names {manifest.Columns.Count} columns and {manifest.Outputs.Count} outputs, the weights have {inputs} and {head.OutputCount}.");
        }

        return new EdgeModel(manifest, offset, scale, [.. layers], head, file.Metadata.GetValueOrDefault("provenance", "{}"), sha256);
    }

    internal static byte[] Write(EdgeModel model)
    {
        var tensors = new Dictionary<string, Tensor>
        {
            ["input.offset"] = Tensor.Of("F32", model.InputOffset, model.InputCount),
            ["input.scale"] = Tensor.Of("F32", model.InputScale, model.InputCount),
            ["head.weight"] = Tensor.Of("I8", model.Head.Weight, model.Head.OutputCount, model.Head.InputCount),
            ["head.bias"] = Tensor.Of("I32", model.Head.Bias, model.Head.OutputCount),
            ["head.scale"] = Tensor.Of("F32", model.Head.Scale, model.Head.OutputCount),
        };
        for (int i = 0; i < model.Layers.Length; i++)
        {
            LstmCell layer = model.Layers[i];
            int rows = 4 * layer.HiddenCount;
            tensors[$"layers.{i}.input_weight"] = Tensor.Of("I8", layer.InputWeight, rows, layer.InputCount);
            tensors[$"layers.{i}.recurrent_weight"] = Tensor.Of("I8", layer.RecurrentWeight, rows, layer.HiddenCount);
            tensors[$"layers.{i}.input_multiplier"] = Tensor.Of("I16", layer.InputMultiplier, rows);
            tensors[$"layers.{i}.recurrent_multiplier"] = Tensor.Of("I16", layer.RecurrentMultiplier, rows);
            tensors[$"layers.{i}.bias"] = Tensor.Of("I32", layer.Bias, rows);
            tensors[$"layers.{i}.hidden_multiplier"] = Tensor.Of("I16", layer.HiddenMultiplier, layer.HiddenCount);
        }

        return TensorFile.Write(tensors, new Dictionary<string, string>
        {
            ["edge"] = Json(json => WriteArchitecture(json, model)),
            ["manifest"] = Json(model.Manifest.Write),
            ["provenance"] = model.Provenance,
        });
    }

    private static void WriteArchitecture(Utf8JsonWriter json, EdgeModel model)
    {
        json.WriteStartObject();
        json.WriteNumber("format", FormatVersion);
        json.WriteStartArray("layers");
        foreach (LstmCell layer in model.Layers)
        {
            json.WriteStartObject();
            json.WriteString("type", "lstm");
            json.WriteNumber("input", layer.InputCount);
            json.WriteNumber("hidden", layer.HiddenCount);
            json.WriteNumber("input_shift", layer.InputShift);
            json.WriteNumber("recurrent_shift", layer.RecurrentShift);
            json.WriteNumber("gate_shift", layer.GateShift);
            json.WriteNumber("cell_fraction_bits", layer.CellFractionBits);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("head");
        json.WriteString("type", "dense");
        json.WriteNumber("input", model.Head.InputCount);
        json.WriteNumber("output", model.Head.OutputCount);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static LstmCell ReadLstm(Reader reader, JsonElement element, string name, int inputMax)
    {
        RequireType(element, name, "lstm");
        int inputs = Number(element, "input", 1, UnitsMax, name);
        int units = Number(element, "hidden", 1, UnitsMax, name);
        int rows = 4 * units;
        var layer = new LstmCell(
            inputs,
            units,
            Number(element, "input_shift", 0, 30, name),
            Number(element, "recurrent_shift", 0, 30, name),
            Number(element, "gate_shift", 0, 15, name),
            Number(element, "cell_fraction_bits", 4, 13, name),
            reader.Take<sbyte>($"{name}.input_weight", "I8", rows, inputs),
            reader.Take<sbyte>($"{name}.recurrent_weight", "I8", rows, units),
            reader.Take<short>($"{name}.input_multiplier", "I16", rows),
            reader.Take<short>($"{name}.recurrent_multiplier", "I16", rows),
            reader.Take<int>($"{name}.bias", "I32", rows),
            reader.Take<short>($"{name}.hidden_multiplier", "I16", units));
        layer.Validate(name, inputMax);
        return layer;
    }

    private static Dense ReadDense(Reader reader, JsonElement root, int hidden)
    {
        if (!root.TryGetProperty("head", out JsonElement element))
        {
            throw new ModelFormatException("Metadata 'edge' has no 'head'. The file is damaged.");
        }

        RequireType(element, "head", "dense");
        int inputs = Number(element, "input", 1, UnitsMax, "head");
        int outputs = Number(element, "output", 1, UnitsMax, "head");
        if (inputs != hidden)
        {
            throw new ModelFormatException($"head takes {inputs} inputs, but the last layer has {hidden} units.");
        }

        var dense = new Dense(
            inputs,
            outputs,
            reader.Take<sbyte>("head.weight", "I8", outputs, inputs),
            reader.Take<int>("head.bias", "I32", outputs),
            reader.Take<float>("head.scale", "F32", outputs));
        dense.Validate("head");
        return dense;
    }

    private static JsonDocument ParseArchitecture(string text)
    {
        try
        {
            JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 8 });
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                return document;
            }

            document.Dispose();
        }
        catch (JsonException)
        {
            // Said below, like every other way of not being an object.
        }

        throw new ModelFormatException("Metadata 'edge' is not a JSON object. The file is damaged.");
    }

    private static void RequireType(JsonElement element, string name, string type)
    {
        if (element.ValueKind != JsonValueKind.Object
            || !element.TryGetProperty("type", out JsonElement value) || value.ValueKind != JsonValueKind.String || !value.ValueEquals(type))
        {
            throw new ModelFormatException($"{name}: this version knows only type '{type}' here. Update edge-runtime or quantise the model again.");
        }
    }

    private static int Number(JsonElement element, string key, int min, int max, string where = "Metadata 'edge'")
    {
        if (!element.TryGetProperty(key, out JsonElement value) || value.ValueKind != JsonValueKind.Number
            || !value.TryGetInt32(out int number) || number < min || number > max)
        {
            throw new ModelFormatException($"{where}: '{key}' must be a whole number from {min} to {max}. The file is damaged or made by a later version.");
        }

        return number;
    }

    private static string Json(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            write(json);
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>Hands out each tensor once, checked against the shape the architecture asks for.</summary>
    private sealed class Reader(TensorFile file)
    {
        private readonly HashSet<string> _taken = [];

        internal T[] Take<T>(string name, string dtype, params int[] shape)
            where T : unmanaged
        {
            if (!file.Tensors.TryGetValue(name, out Tensor tensor))
            {
                throw new ModelFormatException($"Tensor '{name}' is missing. The file is damaged or not made by edge-quantize.");
            }

            if (tensor.DType != dtype || !tensor.Shape.SequenceEqual(shape))
            {
                throw new ModelFormatException(
                    $"Tensor '{name}' is {tensor.DType}[{string.Join(", ", tensor.Shape)}] where {dtype}[{string.Join(", ", shape)}] is due. The file is damaged.");
            }

            _taken.Add(name);
            return tensor.ToArray<T>();
        }

        internal void RequireAllTaken()
        {
            string? stray = file.Tensors.Keys.FirstOrDefault(name => !_taken.Contains(name));
            if (stray is not null)
            {
                throw new ModelFormatException($"Tensor '{stray}' belongs to no layer. The file is damaged or made by a later version.");
            }
        }
    }
}
