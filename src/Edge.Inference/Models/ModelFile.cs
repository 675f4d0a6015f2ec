using System.Text;
using System.Text.Json;
using Edge.Inference.Cells;

namespace Edge.Inference.Models;

/// <summary>
/// The int8 model inside a safetensors container. Tensors: <c>input.offset</c>, <c>input.scale</c>, <c>layers.N.*</c>,
/// <c>embedding.table</c>, <c>head.*</c>, <c>lags.*</c>; metadata: <c>edge</c> (layers and fixed-point positions), <c>manifest</c>,
/// <c>provenance</c>, and a <see cref="ModelChecksum"/>.
/// </summary>
internal static class ModelFile
{
    /// <summary>
    /// Newest layout that this code reads. 1 has cells and dense layers; 2 has blocks too; 3 has readings beside a symbol. The oldest that
    /// a model fits in is written.
    /// </summary>
    internal const int FormatVersion = 3;

    /// <summary>Most recurrent layers.</summary>
    internal const int LayersMax = 32;

    /// <summary>Most inputs, hidden units or outputs of a layer.</summary>
    internal const int UnitsMax = 4096;

    /// <summary>Most symbols of an embedding.</summary>
    internal const int SymbolsMax = 65536;

    internal static EdgeModel Read(TensorFile file, string sha256)
    {
        if (!file.Metadata.TryGetValue("edge", out string? architectureText)
            || !file.Metadata.TryGetValue("manifest", out string? manifestText))
        {
            throw new ModelFormatException(
                "This is a safetensors file, but not one of edge-quantize: its metadata lacks 'edge' and 'manifest'. "
                    + "Run edge-quantize quantize on the trained model.");
        }

        var reader = new ModelReader(file);
        using JsonDocument document = ParseArchitecture(architectureText);
        JsonElement root = document.RootElement;
        int version = ModelReader.Number(root, "format", 1, int.MaxValue);
        if (version > FormatVersion)
        {
            throw new ModelFormatException(
                $"The file's format is {version}; this version reads formats 1 to {FormatVersion}. "
                    + $"Update edge-runtime or quantize the model again.");
        }

        Embedding? embedding = root.TryGetProperty("embedding", out JsonElement table) ? ReadEmbedding(reader, table) : null;
        Layer[] layers = ReadLayers(reader, root);
        int width = layers[0].InputCount;
        int readings = width - (embedding?.Width ?? 0);
        if (readings < 0)
        {
            throw new ModelFormatException(
                $"layers.0 takes {Quantity.Of(width, "input")}, but the embedding has {Quantity.Of(embedding!.Width, "value")} a symbol.");
        }

        DenseHead? head = root.TryGetProperty("head", out JsonElement dense) ? ReadHead(reader, dense, layers[^1].UnitCount) : null;
        int inputs = readings + (embedding is null ? 0 : 1);
        LagRegression? lags = root.TryGetProperty("lags", out JsonElement regression) ? ReadLags(reader, regression, head, inputs) : null;
        if (version < VersionOf(layers, lags, embedding))
        {
            throw new ModelFormatException(
                $"The file's format is {version}, but it has parts of format {VersionOf(layers, lags, embedding)}. The file is damaged.");
        }

        if (lags is not null && embedding is not null)
        {
            throw new ModelFormatException("lags: a regression reads readings only, and the model has symbols. The file is damaged.");
        }

        float[] offset = readings > 0 ? reader.Take<float>("input.offset", "F32", readings) : [];
        float[] scale = readings > 0 ? reader.Take<float>("input.scale", "F32", readings) : [];
        if (Array.Exists(scale, value => !float.IsNormal(value) || value < 0) || Array.Exists(offset, value => !float.IsFinite(value)))
        {
            throw new ModelFormatException(
                "input.scale or input.offset holds a value that is not a finite, positive scale or finite offset. The file is damaged.");
        }

        reader.RequireAllTaken();
        ModelManifest manifest = ModelManifest.Parse(Encoding.UTF8.GetBytes(manifestText));
        int outputs = head?.OutputCount ?? layers[^1].UnitCount;
        if (manifest.InputCount != inputs || manifest.Outputs.Count != outputs)
        {
            throw new ModelFormatException(
                $"The manifest names {manifest.InputsInWords} and {Quantity.Of(manifest.Outputs.Count, "output")}, the weights have "
                    + $"{inputs} and {outputs}.");
        }

        return new EdgeModel(
            readings > 0 ? manifest.WithSymbols(embedding?.SymbolCount ?? 0) : manifest, offset, scale, embedding, layers, head,
            file.Metadata.GetValueOrDefault("provenance", "{}"), sha256, lags);
    }

    internal static byte[] Write(EdgeModel model)
    {
        var tensors = new Dictionary<string, Tensor>();
        if (model.Embedding is { } embedding)
        {
            tensors["embedding.table"] = Tensor.Of("I16", embedding.Table, embedding.SymbolCount, embedding.Width);
        }

        if (model.ReadingCount > 0)
        {
            tensors["input.offset"] = Tensor.Of("F32", model.InputOffset, model.ReadingCount);
            tensors["input.scale"] = Tensor.Of("F32", model.InputScale, model.ReadingCount);
        }

        for (int i = 0; i < model.Layers.Length; i++)
        {
            LayerFormat.AddTensors(tensors, $"layers.{i}", model.Layers[i]);
        }

        if (model.Head is { } head)
        {
            tensors["head.weight"] = Weights(head.Weight, head.OutputCount, head.InputCount);
            tensors["head.bias"] = Tensor.Of("I32", head.Bias, head.OutputCount);
            tensors["head.scale"] = Tensor.Of("F32", head.Scale, head.OutputCount);
        }

        if (model.Lags is { } lags)
        {
            tensors["lags.weight"] = Weights(lags.Weight, lags.OutputCount, lags.Lags.Length * lags.InputCount);
            tensors["lags.limit"] = Tensor.Of("I16", lags.Limit, lags.Lags.Length, lags.InputCount);
            tensors["lags.scale"] = Tensor.Of("F32", lags.Scale, lags.OutputCount);
            tensors["lags.bias"] = Tensor.Of("F32", lags.Bias, lags.OutputCount);
            if (lags.OwnLags > 0)
            {
                tensors["lags.own_column"] = Tensor.Of("I32", lags.OwnColumn, lags.OutputCount);
                tensors["lags.own_weight"] = Weights(lags.OwnWeight, lags.OutputCount, lags.OwnLags);
                tensors["lags.own_limit"] = Tensor.Of("I16", lags.OwnLimit, lags.InputCount, lags.OwnLags);
            }
        }

        return ModelChecksum.Fill(TensorFile.Write(tensors, new Dictionary<string, string>(ModelChecksum.Blank)
        {
            ["edge"] = Json(json => WriteArchitecture(json, model)),
            ["manifest"] = Json(model.Manifest.Write),
            ["provenance"] = model.Provenance,
        }));
    }

    /// <summary>Weights as I8 where they fit it, else as I16.</summary>
    internal static Tensor Weights(short[] weights, int rows, int columns) =>
        Array.TrueForAll(weights, weight => weight is >= -127 and <= 127)
        ? Tensor.Of("I8", weights.Select(weight => (sbyte)weight).ToArray(), rows, columns) : Tensor.Of("I16", weights, rows, columns);

    private static void WriteArchitecture(Utf8JsonWriter json, EdgeModel model)
    {
        json.WriteStartObject();
        json.WriteNumber("format", VersionOf(model.Layers, model.Lags, model.Embedding));
        if (model.Embedding is { } embedding)
        {
            json.WriteStartObject("embedding");
            json.WriteNumber("symbols", embedding.SymbolCount);
            json.WriteNumber("width", embedding.Width);
            json.WriteEndObject();
        }

        json.WriteStartArray("layers");
        foreach (Layer layer in model.Layers)
        {
            LayerFormat.Write(json, layer);
        }

        json.WriteEndArray();
        if (model.Head is { } head)
        {
            json.WriteStartObject("head");
            json.WriteString("type", "dense");
            json.WriteNumber("input", head.InputCount);
            json.WriteNumber("output", head.OutputCount);
            if (head.Segments is not null)
            {
                // A word that earlier versions refuse: they would leave the activations out.
                json.WriteString("activation", "segments");
                json.WriteStartArray("segments");
                foreach (HeadSegment segment in head.Segments)
                {
                    json.WriteStartObject();
                    json.WriteNumber("count", segment.Count);
                    json.WriteString("activation", ModelReader.Name(segment.Activation));
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            }
            else if (head.Activation != OutputActivation.Linear)
            {
                json.WriteString("activation", ModelReader.Name(head.Activation));
            }

            json.WriteEndObject();
        }

        if (model.Lags is { } lags)
        {
            json.WriteStartObject("lags");
            json.WriteStartArray("at");
            foreach (int lag in lags.Lags)
            {
                json.WriteNumberValue(lag);
            }

            json.WriteEndArray();
            if (lags.OwnLags > 0)
            {
                json.WriteNumber("own", lags.OwnLags);
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    // The oldest format that has these parts.
    private static int VersionOf(Layer[] layers, LagRegression? lags, Embedding? embedding) =>
        embedding?.Width < layers[0].InputCount ? 3
        : Array.Exists(layers, layer => layer is BlockLayer) || lags is { OwnLags: > 0 } ? 2 : 1;

    private static Layer[] ReadLayers(ModelReader reader, JsonElement root)
    {
        if (!root.TryGetProperty("layers", out JsonElement list)
            || list.ValueKind != JsonValueKind.Array
            || list.GetArrayLength() is 0 or > LayersMax)
        {
            throw new ModelFormatException($"Metadata 'edge': 'layers' must list 1 to {LayersMax} layers.");
        }

        var layers = new List<Layer>();
        foreach (JsonElement element in list.EnumerateArray())
        {
            Layer? below = layers.LastOrDefault();
            Layer layer = LayerFormat.Read(
                reader,
                element,
                $"layers.{layers.Count}",
                below is null || !below.IsNarrow || IsDense(element) ? 32768 : sbyte.MaxValue);
            if (below is not null && below.UnitCount != layer.InputCount)
            {
                throw new ModelFormatException(
                    $"layers.{layers.Count} takes {Quantity.Of(layer.InputCount, "input")}, but the layer below has "
                        + $"{Quantity.Of(below.UnitCount, "unit")}.");
            }

            if (below is not null && layer is BlockLayer block && block.InputFractionBits != below.OutputFractionBits)
            {
                throw new ModelFormatException(
                    $"layers.{layers.Count} reads {block.InputFractionBits} fraction bits, but the layer below gives "
                        + $"{below.OutputFractionBits}. The file is damaged.");
            }

            if (layer is ResidualLayer residual)
            {
                RequireSource(layers, residual);
            }

            layers.Add(layer);
        }

        return [.. layers];
    }

    private static void RequireSource(List<Layer> below, ResidualLayer residual)
    {
        if (residual.Source >= below.Count || below[residual.Source] is not { } source || source.UnitCount != residual.UnitCount
            || source.OutputFractionBits != residual.SourceFractionBits)
        {
            throw new ModelFormatException(
                $"layers.{below.Count} adds the output of layer {residual.Source}, which has to lie below it, with {residual.UnitCount} "
                    + $"units and {residual.SourceFractionBits} fraction bits. The file is damaged.");
        }
    }

    // A dense layer reads the int16 output of any layer.
    private static bool IsDense(JsonElement element) =>
        element.ValueKind == JsonValueKind.Object
            && element.TryGetProperty("type", out JsonElement type)
            && type.ValueKind == JsonValueKind.String
            && type.ValueEquals("dense");

    private static Embedding ReadEmbedding(ModelReader reader, JsonElement element)
    {
        int symbols = ModelReader.Number(element, "symbols", 1, SymbolsMax, "embedding");
        int width = ModelReader.Number(element, "width", 1, UnitsMax, "embedding");
        return new Embedding { SymbolCount = symbols, Width = width, Table = reader.Take<short>("embedding.table", "I16", symbols, width) };
    }

    private static DenseHead ReadHead(ModelReader reader, JsonElement element, int units)
    {
        int inputs = ModelReader.Number(element, "input", 1, UnitsMax, "head");
        int outputs = ModelReader.Number(element, "output", 1, UnitsMax, "head");
        if (!element.TryGetProperty("type", out JsonElement type) || type.ValueKind != JsonValueKind.String || !type.ValueEquals("dense"))
        {
            throw new ModelFormatException(
                "head: this version knows only type 'dense' here. Update edge-runtime or quantize the model again.");
        }

        if (inputs != units)
        {
            throw new ModelFormatException(
                $"head takes {Quantity.Of(inputs, "input")}, but the last layer has {Quantity.Of(units, "unit")}.");
        }

        HeadSegment[]? segments = ReadSegments(element);
        var head = new DenseHead
        {
            InputCount = inputs,
            OutputCount = outputs,
            Weight = reader.TakeWeights("head.weight", outputs, inputs),
            Bias = reader.Take<int>("head.bias", "I32", outputs),
            Scale = reader.Take<float>("head.scale", "F32", outputs),
            Activation = segments is not null
                ? OutputActivation.Linear
                : ModelReader.Choice(element, "activation", "head", OutputActivation.Linear, Enum.GetValues<OutputActivation>()),
            Segments = segments,
        };
        head.Validate("head");
        return head;
    }

    // Its outputs are added to sums; behind an activation that would be something else.
    private static LagRegression ReadLags(ModelReader reader, JsonElement element, DenseHead? head, int inputs)
    {
        if (head is null || head.Activation != OutputActivation.Linear || head.Segments is not null)
        {
            throw new ModelFormatException("lags: a regression needs a linear head beside it. The file is damaged.");
        }

        if (element.ValueKind != JsonValueKind.Object
            || !element.TryGetProperty("at", out JsonElement list)
            || list.ValueKind != JsonValueKind.Array
            || list.GetArrayLength() is 0 or > LagRegression.RowsMax
            || list.EnumerateArray().Any(
                item => item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out int lag) || lag is < 0 or >= LagRegression.RowsMax))
        {
            throw new ModelFormatException(
                $"lags: 'at' must list 1 to {LagRegression.RowsMax} lags below {LagRegression.RowsMax}. The file is damaged.");
        }

        int[] lags = [.. list.EnumerateArray().Select(item => item.GetInt32())];
        int own = element.TryGetProperty("own", out _) ? ModelReader.Number(element, "own", 1, LagRegression.RowsMax - 1) : 0;
        var regression = new LagRegression
        {
            InputCount = inputs,
            OutputCount = head.OutputCount,
            Lags = lags,
            Weight = reader.TakeWeights("lags.weight", head.OutputCount, lags.Length * inputs),
            Limit = reader.Take<short>("lags.limit", "I16", lags.Length, inputs),
            Scale = reader.Take<float>("lags.scale", "F32", head.OutputCount),
            Bias = reader.Take<float>("lags.bias", "F32", head.OutputCount),
            OwnLags = own,
            OwnColumn = own > 0 ? reader.Take<int>("lags.own_column", "I32", head.OutputCount) : [],
            OwnWeight = own > 0 ? reader.TakeWeights("lags.own_weight", head.OutputCount, own) : [],
            OwnLimit = own > 0 ? reader.Take<short>("lags.own_limit", "I16", inputs, own) : [],
        };
        regression.Validate();
        return regression;
    }

    private static HeadSegment[]? ReadSegments(JsonElement head)
    {
        if (!head.TryGetProperty("activation", out JsonElement activation) || activation.ValueKind != JsonValueKind.String
            || !activation.ValueEquals("segments"))
        {
            return null;
        }

        if (!head.TryGetProperty("segments", out JsonElement list)
            || list.ValueKind != JsonValueKind.Array
            || list.GetArrayLength() is 0 or > UnitsMax)
        {
            throw new ModelFormatException("head: 'segments' must list its runs of outputs. The file is damaged.");
        }

        return
        [
            .. list.EnumerateArray().Select(segment => new HeadSegment(
                ModelReader.Number(segment, "count", 1, UnitsMax, "head.segments"),
                ModelReader.Choice(segment, "activation", "head.segments", OutputActivation.Linear, Enum.GetValues<OutputActivation>()))),
        ];
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

    private static string Json(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            write(json);
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
