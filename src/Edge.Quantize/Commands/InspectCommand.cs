using System.CommandLine;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Inference.Reference;
using Edge.Quantize.Onnx;

namespace Edge.Quantize.Commands;

/// <summary><c>inspect</c>: what is inside a model file.</summary>
internal static class InspectCommand
{
    internal static Command Create(TextWriter output)
    {
        var model = new Argument<string>("MODEL") { Description = "A .safetensors model of edge-quantize, or an .onnx model." };
        var asJson = new Option<bool>("--json") { Description = "One JSON object instead of text." };
        var command = new Command("inspect", "Says what is inside a model: layers, shapes, state size, operations per step.") { model, asJson };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(model);
            Summary summary = path.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase) ? Of(OnnxImporter.Load(path)) : Of(EdgeModel.Load(path));
            output.WriteLine(parsed.GetValue(asJson) ? ToJson(summary, path) : ToText(summary, path));
            return 0;
        });
        return command;
    }

    private sealed record Layer(string Type, int Inputs, int Units);

    private sealed record Summary(
        string Precision, IReadOnlyList<Layer> Layers, int StateBytes, long Operations, string Sha256, ModelManifest? Manifest, string? Provenance);

    private static Summary Of(FloatModel model)
    {
        Layer[] layers =
        [
            .. model.Layers.Select(layer => new Layer("lstm", layer.InputCount, layer.HiddenCount)),
            new Layer("dense", model.Head.InputCount, model.Head.OutputCount),
        ];
        return new Summary("float32", layers, model.Layers.Sum(layer => 8 * layer.HiddenCount), Operations(layers), model.Sha256, null, null);
    }

    private static Summary Of(EdgeModel model)
    {
        Layer[] layers =
        [
            .. model.Layers.Select(layer => new Layer("lstm", layer.InputCount, layer.HiddenCount)),
            new Layer("dense", model.Head.InputCount, model.Head.OutputCount),
        ];
        return new Summary("int8", layers, model.StateBytes, Operations(layers), model.Sha256, model.Manifest, model.Provenance);
    }

    private static long Operations(IEnumerable<Layer> layers) =>
        layers.Sum(layer => layer.Type == "lstm" ? 4L * layer.Units * (layer.Inputs + layer.Units) : (long)layer.Inputs * layer.Units);

    private static string ToText(Summary summary, string path)
    {
        var lines = new List<string>
        {
            $"{Path.GetFileName(path)}: {summary.Precision}, sha256 {summary.Sha256}",
            "",
            "  layer   inputs   units",
        };
        lines.AddRange(summary.Layers.Select(layer => $"  {layer.Type,-6} {layer.Inputs,7} {layer.Units,7}"));
        lines.Add("");
        lines.Add($"  state       {summary.StateBytes} bytes a stream");
        lines.Add($"  operations  {summary.Operations} multiply-accumulates a step");
        if (summary.Manifest is { } manifest)
        {
            lines.Add($"  reads       {string.Join(", ", manifest.Columns.Select((column, i) => manifest.Units[i].Length > 0 ? $"{column} ({manifest.Units[i]})" : column))}");
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
            foreach (Layer layer in summary.Layers)
            {
                json.WriteStartObject();
                json.WriteString("type", layer.Type);
                json.WriteNumber("input", layer.Inputs);
                json.WriteNumber(layer.Type == "dense" ? "output" : "hidden", layer.Units);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNumber("state_bytes", summary.StateBytes);
            json.WriteNumber("operations_per_step", summary.Operations);
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
