using System.CommandLine;
using System.Text.Json;
using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Import;
using Edge.Quantize.Quantization;
using Edge.Training.Reference;

namespace Edge.Quantize.Commands;

/// <summary><c>inspect</c>: shows the contents of a model file.</summary>
internal static class InspectCommand
{
    internal static Command Create(TextWriter output)
    {
        var model = new Argument<string>("MODEL")
        {
            Description = "An int8 model of edge-quantize, or a float model (.onnx, .safetensors, .npz).",
        };
        var asJson = new Option<bool>("--json") { Description = "Print one JSON object instead of text." };
        var command = new Command("inspect", "Shows the contents of a model: layers, shapes, state size, operations per step.")
        {
            model,
            asJson,
        };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(model);
            Summary summary = ModelKind.IsInt8(path) ? Of(EdgeModel.Load(path)) : Of(FloatModels.Load(path));
            output.WriteLine(parsed.GetValue(asJson) ? ToJson(summary, path) : ToText(summary, path));
            return 0;
        });
        return command;
    }

    // Rows: all weights a unit has are gates·(inputs + state).
    private sealed record LayerLine(string Type, int Inputs, int Units, long Operations, string Note = "");

    private sealed record Summary(
        string Precision, IReadOnlyList<LayerLine> Layers, int StateBytes, string Sha256, ModelManifest? Manifest, string? Provenance);

    private static string Beside(int readings) => readings > 0 ? $"beside {readings} readings" : "";

    private static Summary Of(FloatModel model)
    {
        var layers = new List<LayerLine>();
        if (model.Embedding is { } embedding)
        {
            layers.Add(new LayerLine("embedding", embedding.SymbolCount, embedding.Width, 0, Beside(model.ReadingCount)));
        }

        layers.AddRange(model.Layers.Concat(model.Head is null ? [] : [model.Head]).Select(layer =>
            new LayerLine(
                LayerQuantizer.Name(layer),
                layer.InputCount,
                layer.UnitCount,
                layer.Operations)));
        int floats = model.Layers.Sum(layer => (layer.IsRecurrent ? layer.UnitCount : 0) + layer.CellCount);
        return new Summary("float32", layers, floats * sizeof(float), model.Sha256, null, null);
    }

    private static Summary Of(EdgeModel model)
    {
        var layers = new List<LayerLine>();
        if (model.Embedding is { } embedding)
        {
            layers.Add(new LayerLine("embedding", embedding.SymbolCount, embedding.Width, 0, Beside(model.ReadingCount)));
        }

        layers.AddRange(model.Layers.Select(layer => new LayerLine(
            layer.Type,
            layer.InputCount,
            layer.UnitCount,
            layer.Operations,
            model.IsRegressionAlone ? "adds nothing to the regression"
                : layer.IsRecurrent ? $"hidden int{layer.HiddenBits}"
                : layer is BlockLayer { Products.Count: > 0 } ? $"int{layer.HiddenBits}" : "")));
        if (model.Head is { } head)
        {
            layers.Add(new LayerLine("dense", head.InputCount, head.OutputCount, (long)head.InputCount * head.OutputCount));
        }

        if (model.Lags is { } lags)
        {
            layers.Add(new LayerLine(
                "regression", lags.InputCount, lags.OutputCount, lags.Weight.Length + lags.OwnWeight.Length,
                Quantity.Of(lags.Lags.Length, "lag") + (lags.OwnLags > 0 ? $", {lags.OwnLags} of its own column" : "")));
        }

        return new Summary("int8", layers, model.StateBytes, model.Sha256, model.Manifest, model.Provenance);
    }

    private static string ToText(Summary summary, string path)
    {
        var lines = new List<string>
        {
            $"{Path.GetFileName(path)}: {summary.Precision}, sha256 {summary.Sha256}",
            "",
            "  layer        inputs   units",
        };
        lines.AddRange(summary.Layers.Select(layer => $"  {layer.Type,-11} {layer.Inputs,7} {layer.Units,7}   {layer.Note}".TrimEnd()));
        lines.Add("");
        lines.Add($"  state       {Quantity.Of(summary.StateBytes, "byte")} per stream");
        lines.Add($"  operations  {summary.Layers.Sum(layer => layer.Operations)} multiply-accumulates per step");
        if (summary.Manifest is { } manifest)
        {
            IEnumerable<string> columns = manifest.Columns
                .Select((column, i) => i == manifest.SymbolColumn ? $"{column} (a symbol, 0 to {manifest.SymbolCount - 1})"
                    : manifest.Units[i].Length > 0 ? $"{column} ({manifest.Units[i]})" : column);
            lines.Add($"  reads       {string.Join(", ", columns)}");
            lines.Add($"  forecasts   {string.Join(", ", Enumerable.Range(0, manifest.Outputs.Count).Select(manifest.OutputName))}");
            lines.Add($"  period      {manifest.PeriodSeconds} s");
            lines.Add($"  provenance  {summary.Provenance}");
        }

        return string.Join('\n', lines);
    }

    private static string ToJson(Summary summary, string path)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("file", Path.GetFileName(path));
            json.WriteString("sha256", summary.Sha256);
            json.WriteString("precision", summary.Precision);
            json.WriteStartArray("layers");
            foreach (LayerLine layer in summary.Layers)
            {
                json.WriteStartObject();
                json.WriteString("type", layer.Type);
                json.WriteNumber("input", layer.Inputs);
                json.WriteNumber(layer.Type is "dense" or "embedding" ? "output" : "hidden", layer.Units);
                if (layer.Note.Length > 0)
                {
                    json.WriteString("note", layer.Note);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNumber("state_bytes", summary.StateBytes);
            json.WriteNumber("operations_per_step", summary.Layers.Sum(layer => layer.Operations));
            if (summary.Manifest is { } manifest)
            {
                json.WritePropertyName("manifest");
                manifest.Write(json);
                json.WritePropertyName("provenance");
                json.WriteRawValue(summary.Provenance!);
            }

            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }
}
