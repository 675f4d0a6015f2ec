using System.Text.Json;
using Edge.Inference.Models;

namespace Edge.Runtime.Payloads;

/// <summary>
/// Entities of the outputs that are not forecasts: soft sensors and reconstructions with a unit, classes as the winning one.
/// </summary>
internal sealed partial class HomeAssistant
{
    private void WriteOutputs(Utf8JsonWriter json, HashSet<string> ids, DescribedStream stream)
    {
        ModelManifest manifest = stream.Manifest;
        string topic = Topics.Output(device, stream.Name);
        for (int k = 0; k < manifest.Outputs.Count; k++)
        {
            ModelOutput output = manifest.Outputs[k];
            if (output.Kind == OutputKind.Value)
            {
                string path = $"values['{Escape(output.Name!)}'].value";
                WriteOutput(json, ids, stream, $"output_{Slug(output.Name!)}", output.Name!, path, manifest.OutputUnit(k));
            }
            else if (output.Kind == OutputKind.Reconstruction)
            {
                string column = manifest.Columns[output.Column];
                string path = $"reconstructions['{Escape(column)}'].value";
                WriteOutput(json, ids, stream, $"{Slug(column)}_reconstructed", $"{column} reconstructed", path, manifest.OutputUnit(k));
            }
        }

        foreach (IGrouping<string, ModelOutput> classes in manifest.Outputs
            .Where(output => output.Kind == OutputKind.Class)
            .GroupBy(output => output.Name!))
        {
            Begin(json, ids, stream, $"output_{Slug(classes.Key)}", "sensor", classes.Key, topic);
            json.WriteString("val_tpl", $"{{{{ value_json.classes['{Escape(classes.Key)}'].class }}}}");
            json.WriteString("dev_cla", "enum");
            json.WriteStartArray("options");
            foreach (ModelOutput each in classes)
            {
                json.WriteStringValue(each.Class);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }
    }

    private void WriteOutput(
        Utf8JsonWriter json, HashSet<string> ids, DescribedStream stream, string id, string name, string path, string unit)
    {
        Begin(json, ids, stream, id, "sensor", name, Topics.Output(device, stream.Name));
        EndMeasurement(json, stream, path, unit, name);
    }
}
