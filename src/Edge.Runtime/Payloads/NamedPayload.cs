using System.Text.Json;
using Edge.Inference.Models;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Payloads;

/// <summary>Writes the outputs of a model that are no forecasts: values, classes, reconstructions.</summary>
internal sealed class NamedPayload
{
    private readonly (JsonEncodedText Name, JsonEncodedText Unit, int Output)[] _values;
    private readonly (JsonEncodedText Name, string Key, (JsonEncodedText Class, int Output)[] Classes)[] _classes;
    private readonly (JsonEncodedText Name, JsonEncodedText Unit, int Output)[] _reconstructions;

    private NamedPayload(ModelManifest manifest)
    {
        int[] all = [.. Enumerable.Range(0, manifest.Outputs.Count)];
        _values = [.. all.Where(k => manifest.Outputs[k].Kind == OutputKind.Value)
            .Select(k => (Encode(manifest.Outputs[k].Name!), Encode(manifest.OutputUnit(k)), k))];
        _classes = [.. all.Where(k => manifest.Outputs[k].Kind == OutputKind.Class)
            .GroupBy(k => manifest.Outputs[k].Name!)
            .Select(group => (Encode(group.Key), group.Key, group.Select(k => (Encode(manifest.Outputs[k].Class!), k)).ToArray()))];
        _reconstructions = [.. all.Where(k => manifest.Outputs[k].Kind == OutputKind.Reconstruction)
            .Select(k => (Encode(manifest.Columns[manifest.Outputs[k].Column]), Encode(manifest.OutputUnit(k)), k))];

        static JsonEncodedText Encode(string text) => PayloadJson.Encode(text);
    }

    /// <summary>The writer of a model's outputs, or null if all are forecasts.</summary>
    internal static NamedPayload? Of(ModelManifest manifest) =>
        manifest.Outputs.Any(output => output.Kind is not (OutputKind.Forecast or OutputKind.Quantile)) ? new NamedPayload(manifest) : null;

    /// <summary>Writes the members of the message.</summary>
    internal void Write(Utf8JsonWriter json, NamedOutputs outputs)
    {
        WriteValues(json, "values", _values, outputs);
        if (_classes.Length > 0)
        {
            json.WriteStartObject("classes");
            foreach ((JsonEncodedText name, string key, (JsonEncodedText Class, int Output)[] classes) in _classes)
            {
                int winner = outputs.Winner(key);
                json.WriteStartObject(name);
                json.WriteString("class", outputs.Outputs[winner].Class);
                json.WriteStartObject("probabilities");
                foreach ((JsonEncodedText each, int output) in classes)
                {
                    json.WritePropertyName(each);
                    StreamPayloads.WriteRounded(json, outputs.Value(output));
                }

                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        WriteValues(json, "reconstructions", _reconstructions, outputs);
    }

    private static void WriteValues(
        Utf8JsonWriter json,
        string member,
        (JsonEncodedText Name, JsonEncodedText Unit, int Output)[] values,
        NamedOutputs outputs)
    {
        if (values.Length == 0)
        {
            return;
        }

        json.WriteStartObject(member);
        foreach ((JsonEncodedText name, JsonEncodedText unit, int output) in values)
        {
            json.WriteStartObject(name);
            json.WriteString(JsonName.Unit, unit);
            json.WritePropertyName(JsonName.Value);
            StreamPayloads.WriteRounded(json, outputs.Value(output));
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
