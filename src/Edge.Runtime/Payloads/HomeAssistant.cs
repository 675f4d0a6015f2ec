using System.Globalization;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Payloads;

/// <summary>
/// Describes the device to Home Assistant: one retained message for the device, with a sensor for each channel and for each of its
/// forecast horizons, and a binary sensor for each stream. Home Assistant, "MQTT discovery", device discovery payload.
/// </summary>
internal sealed class HomeAssistant(string device, IReadOnlyList<(string Stream, ModelManifest Manifest)> streams)
{
    /// <summary>Topic on which Home Assistant announces its start.</summary>
    internal const string BirthTopic = "homeassistant/status";

    // Unit in the manifest, unit in Home Assistant, and its device class.
    private static readonly (string Unit, string Theirs, string? Class)[] Units =
    [
        ("degC", "°C", "temperature"),
        ("degF", "°F", "temperature"),
        ("hPa", "hPa", "atmospheric_pressure"),
        ("kPa", "kPa", "pressure"),
        ("bar", "bar", "pressure"),
        ("V", "V", "voltage"),
        ("A", "A", "current"),
        ("W", "W", "power"),
        ("kW", "kW", "power"),
        ("lx", "lx", "illuminance"),
        ("Hz", "Hz", "frequency"),
        ("m/s2", "m/s²", null), ("uT", "µT", null), ("deg/s", "°/s", null),
    ];

    /// <summary>The description, its topic, and the topic that triggers it again.</summary>
    internal DeviceDescription Description => new(ConfigTopic, BirthTopic, Describe);

    /// <summary>Topic of the description.</summary>
    internal string ConfigTopic { get; } = $"homeassistant/device/{device}/config";

    /// <summary>The description.</summary>
    /// <param name="previous">
    /// The retained description of an earlier configuration, or empty. Its components that no longer exist are removed.
    /// </param>
    internal MqttMessage Describe(ReadOnlyMemory<byte> previous)
    {
        using var payload = new MemoryStream();
        var options = new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var json = new Utf8JsonWriter(payload, options))
        {
            json.WriteStartObject();
            json.WriteStartObject("dev");
            json.WriteString("ids", $"edge_{device}");
            json.WriteString("name", device);
            json.WriteString("mf", "Edge runtime");
            json.WriteString("mdl", "edge-runtime");
            json.WriteString("sw", InfoMessage.Version);
            json.WriteEndObject();
            json.WriteStartObject("o");
            json.WriteString("name", "edge-runtime");
            json.WriteString("sw", InfoMessage.Version);
            json.WriteEndObject();
            json.WriteString("avty_t", Topics.Status(device));
            json.WriteStartObject("cmps");
            HashSet<string> ids = [];
            foreach ((string stream, ModelManifest manifest) in streams)
            {
                WriteStream(json, stream, manifest, ids);
            }

            foreach ((string id, string platform) in Components(previous).Where(component => !ids.Contains(component.Id)))
            {
                // A component that has only its platform is removed.
                json.WriteStartObject(id);
                json.WriteString("p", platform);
                json.WriteEndObject();
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        return Message(payload.ToArray());
    }

    private MqttMessage Message(byte[] payload) => new()
    {
        Topic = ConfigTopic,
        Payload = payload,
        Class = MessageClass.Event,
        Retain = true,
    };

    private void WriteStream(Utf8JsonWriter json, string stream, ModelManifest manifest, HashSet<string> ids)
    {
        for (int column = 0; column < manifest.Columns.Count; column++)
        {
            string name = manifest.Columns[column];
            WriteSensor(
                json,
                ids,
                $"{stream}_{Slug(name)}",
                $"{stream} {name}",
                Topics.Reading(device, stream),
                $"channels['{Escape(name)}'].value",
                manifest.Units[column],
                name,
                null);
            ModelOutput[] forecasts = [.. manifest.ForecastOutputs.Select(output => manifest.Outputs[output])];
            int[] horizons = [.. forecasts.Select(output => output.TicksAhead).Distinct().Order()];
            foreach (ModelOutput output in forecasts.Where(output => output.Column == column))
            {
                string ahead = Ahead(output.TicksAhead * manifest.PeriodSeconds);
                WriteSensor(
                    json,
                    ids,
                    $"{stream}_{Slug(name)}_{Slug(ahead)}",
                    $"{stream} {name} in {ahead}",
                    Topics.Forecast(device, stream),
                    $"channels['{Escape(name)}'].value[{Array.IndexOf(horizons, output.TicksAhead)}]",
                    manifest.Units[column],
                    name,
                    Topics.Forecast(device, stream));
            }
        }

        WriteNamed(json, stream, manifest, ids);
        Begin(json, ids, $"{stream}_anomaly", "binary_sensor", $"{stream} anomaly", Topics.AnomalyState(device, stream));
        json.WriteString("dev_cla", "problem");
        json.WriteString("json_attr_t", Topics.Anomaly(device, stream));
        json.WriteEndObject();
    }

    // Soft sensors and reconstructions are sensors with a unit; classes are a sensor of the winning class.
    private void WriteNamed(Utf8JsonWriter json, string stream, ModelManifest manifest, HashSet<string> ids)
    {
        string topic = Topics.Output(device, stream);
        for (int k = 0; k < manifest.Outputs.Count; k++)
        {
            ModelOutput output = manifest.Outputs[k];
            if (output.Kind is OutputKind.Value or OutputKind.Reconstruction)
            {
                bool isValue = output.Kind == OutputKind.Value;
                string name = isValue ? output.Name! : manifest.Columns[output.Column];
                WriteSensor(
                    json,
                    ids,
                    isValue ? $"{stream}_output_{Slug(name)}" : $"{stream}_{Slug(name)}_reconstructed",
                    isValue ? $"{stream} {name}" : $"{stream} {name} reconstructed",
                    topic,
                    $"{(isValue ? "values" : "reconstructions")}['{Escape(name)}'].value",
                    manifest.OutputUnit(k),
                    name,
                    null);
            }
        }

        foreach (IGrouping<string, ModelOutput> classes in manifest.Outputs
            .Where(output => output.Kind == OutputKind.Class)
            .GroupBy(output => output.Name!))
        {
            Begin(json, ids, $"{stream}_output_{Slug(classes.Key)}", "sensor", $"{stream} {classes.Key}", topic);
            json.WriteString("val_tpl", $"{{{{ value_json.classes['{Escape(classes.Key)}'].class }}}}");
            json.WriteString("dev_cla", "enum");
            json.WriteStartArray("options");
            foreach (ModelOutput each in classes)
            {
                json.WriteStringValue(each.Class);
            }

            json.WriteEndArray();
            json.WriteString("json_attr_t", topic);
            json.WriteEndObject();
        }
    }

    private void WriteSensor(
        Utf8JsonWriter json, HashSet<string> ids, string id, string name, string topic, string path, string unit, string channel,
        string? attributes)
    {
        Begin(json, ids, id, "sensor", name, topic);
        json.WriteString("val_tpl", $"{{{{ value_json.{path} }}}}");
        json.WriteString("stat_cla", "measurement");
        (string ours, string theirs, string? deviceClass) = Array.Find(Units, known => known.Unit == unit);
        string? guessed = (unit, channel.ToLowerInvariant()) switch
        {
            ("%", var humidity) when humidity.Contains("humid", StringComparison.Ordinal) => "humidity",
            ("ppm", var gas) when gas.Contains("co2", StringComparison.Ordinal) => "carbon_dioxide",
            _ => deviceClass,
        };
        if (unit.Length > 0)
        {
            json.WriteString("unit_of_meas", ours is null ? unit : theirs);
        }

        if (guessed is not null)
        {
            json.WriteString("dev_cla", guessed);
        }

        if (attributes is not null)
        {
            json.WriteString("json_attr_t", attributes);
        }

        json.WriteEndObject();
    }

    private void Begin(Utf8JsonWriter json, HashSet<string> ids, string id, string platform, string name, string topic)
    {
        ids.Add(id);
        json.WriteStartObject(id);
        json.WriteString("p", platform);
        json.WriteString("uniq_id", $"edge_{device}_{id}");
        json.WriteString("name", name);
        json.WriteString("stat_t", topic);
    }

    private static IEnumerable<(string Id, string Platform)> Components(ReadOnlyMemory<byte> previous)
    {
        if (previous.IsEmpty)
        {
            return [];
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(previous);
            return
            [
                .. document.RootElement.GetProperty("cmps")
                    .EnumerateObject()
                    .Select(component => (component.Name, component.Value.GetProperty("p").GetString() ?? "sensor")),
            ];
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // The retained message was not written by this program.
            return [];
        }
    }

    private static string Ahead(double seconds) => seconds switch
    {
        >= 3600 when seconds % 3600 == 0 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600:0} h"),
        >= 60 when seconds % 60 == 0 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60:0} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.###} s"),
    };

    private static string Slug(string text) =>
        new([.. text.ToLowerInvariant().Select(letter => char.IsAsciiLetterOrDigit(letter) ? letter : '_')]);

    private static string Escape(string text) =>
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal);
}
