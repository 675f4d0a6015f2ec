using System.Globalization;
using System.Text;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Streams.Forecasting;
using Edge.Streams.Limits;

namespace Edge.Runtime.Payloads;

/// <summary>A stream as Home Assistant needs to know it.</summary>
internal sealed record DescribedStream
{
    public required string Name { get; init; }

    /// <summary>What the model reads and forecasts.</summary>
    public required ModelManifest Manifest { get; init; }

    /// <summary>Time from tick to tick.</summary>
    public required TimeSpan Period { get; init; }

    public PublishOptions Publish { get; init; } = new();

    public EntityOptions Entities { get; init; } = new();

    public IReadOnlyList<LimitState> Limits { get; init; } = [];
}

/// <summary>A command that becomes a button.</summary>
/// <param name="Name">Its name in the topic.</param>
/// <param name="IsOfStream">Whether it names a stream.</param>
internal readonly record struct DescribedCommand(string Name, bool IsOfStream);

/// <summary>
/// Describes the device and each stream to Home Assistant: one retained message each, so that none is too large for a broker. Home
/// Assistant, "MQTT discovery", device discovery payload.
/// </summary>
/// <param name="device">The device's name.</param>
/// <param name="options">Topics.</param>
/// <param name="streams">The streams.</param>
/// <param name="commands">Commands that are allowed and need no value.</param>
/// <param name="hasState">Whether state is stored on a disk.</param>
internal sealed partial class HomeAssistant(
    string device,
    DiscoveryOptions options,
    IReadOnlyList<DescribedStream> streams,
    IReadOnlyList<DescribedCommand> commands,
    bool hasState)
{
    private const int IdMax = 200;

    private static readonly HashSet<string> Platforms = ["sensor", "binary_sensor", "button"];

    /// <summary>Topic on which Home Assistant says that it has started.</summary>
    internal string BirthTopic => options.BirthTopic ?? $"{options.Prefix}/status";

    /// <summary>The descriptions: of the device, then of each stream.</summary>
    internal DiscoveryAnnouncement Announcement => new(
        BirthTopic,
        [
            new DeviceDescription(DeviceTopic, DescribeDevice),
            .. streams.Select(stream => new DeviceDescription(TopicOf(stream.Name), previous => Describe(stream, previous))),
        ]);

    /// <summary>Topic of the device's own description.</summary>
    internal string DeviceTopic => device.Contains('-')
        ? $"{options.Prefix}/device/{device}-{Hash(device)}/config"
        : $"{options.Prefix}/device/{device}/config";

    /// <summary>Topic of a stream's description.</summary>
    internal string TopicOf(string stream)
    {
        // Two names with dashes may join to the same text.
        string plain = $"{device}-{stream}";
        return plain.Count(letter => letter == '-') == 1
            ? $"{options.Prefix}/device/{plain}/config"
            : $"{options.Prefix}/device/{plain}-{Hash($"{device}/{stream}")}/config";
    }

    /// <summary>The description of the device: how it is, and buttons for its commands.</summary>
    /// <param name="previous">The retained description of an earlier configuration, or empty.</param>
    internal MqttMessage DescribeDevice(ReadOnlyMemory<byte> previous) => Write(DeviceTopic, previous, json =>
    {
        json.WriteStartObject("dev");
        json.WriteString("ids", DeviceId);
        json.WriteString("name", device);
        WriteMaker(json);
        json.WriteEndObject();
        WriteOrigin(json);
        json.WriteString("avty_t", Topics.Status(device));
        HashSet<string> ids = [];
        json.WriteStartObject("cmps");
        WriteDiagnostic(json, ids, "version", "version", "value_json.version", null, null);
        WriteDiagnostic(json, ids, "broker", "broker", "value_json.broker", null, null);
        WriteDiagnostic(json, ids, "uptime", "uptime at connection", "value_json.uptime_seconds", "s", "duration");
        if (hasState)
        {
            const string Free = "(value_json.disk_free_bytes / 1000000) | round(0)";
            WriteDiagnostic(json, ids, "disk_free", "free disk space", Free, "MB", "data_size");
        }

        foreach (DescribedCommand command in commands.Where(command => !command.IsOfStream))
        {
            WriteButton(json, ids, $"command_{command.Name}", command.Name, command.Name, "{}");
        }

        return ids;
    });

    /// <summary>The description of a stream: its channels, forecasts, anomaly, limits and how it is.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="previous">
    /// The retained description of an earlier configuration, or empty. Its components that no longer exist are removed.
    /// </param>
    internal MqttMessage Describe(DescribedStream stream, ReadOnlyMemory<byte> previous) => Write(TopicOf(stream.Name), previous, json =>
    {
        json.WriteStartObject("dev");
        json.WriteString("ids", $"{DeviceId}.{stream.Name}");
        json.WriteString("name", $"{device} {stream.Name}");
        WriteMaker(json);
        json.WriteString("via_device", DeviceId);
        json.WriteEndObject();
        WriteOrigin(json);
        json.WriteStartArray("avty");
        WriteTopic(json, Topics.Status(device));
        WriteTopic(json, Topics.StreamStatus(device, stream.Name));
        json.WriteEndArray();
        json.WriteString("avty_mode", "all");
        HashSet<string> ids = [];
        json.WriteStartObject("cmps");
        WriteChannels(json, ids, stream);
        WriteOutputs(json, ids, stream);
        WriteLimits(json, ids, stream);
        Begin(json, ids, stream, "anomaly", "binary_sensor", "anomaly", Topics.AnomalyState(device, stream.Name));
        json.WriteString("dev_cla", "problem");
        json.WriteString("json_attr_t", Topics.Anomaly(device, stream.Name));
        json.WriteEndObject();
        WriteHealth(json, ids, stream, "skill", "skill", "value_json.skill", null);
        WriteHealth(json, ids, stream, "coverage", "interval coverage", "(value_json.coverage * 100) | round(1)", "%");
        WriteHealth(json, ids, stream, "missed_ticks", "missed ticks", "value_json.missed_ticks", null);
        foreach (DescribedCommand command in commands.Where(command => command.IsOfStream))
        {
            WriteButton(json, ids, $"command_{command.Name}", command.Name, command.Name, $"{{\"stream\":\"{stream.Name}\"}}", stream);
        }

        return ids;
    });

    private string DeviceId => $"edge.{device}";

    private void WriteChannels(Utf8JsonWriter json, HashSet<string> ids, DescribedStream stream)
    {
        ModelManifest manifest = stream.Manifest;
        ModelOutput[] forecasts = [.. manifest.ForecastOutputs.Select(output => manifest.Outputs[output])];
        int[] horizons = [.. forecasts.Select(output => output.TicksAhead).Distinct().Order()];
        for (int column = 0; column < manifest.Columns.Count; column++)
        {
            string name = manifest.Columns[column];
            if (stream.Publish.Readings)
            {
                WriteSensor(json, ids, stream, Slug(name), name, $"reading['{Escape(name)}']", column);
            }

            if (!stream.Publish.Forecasts)
            {
                continue;
            }

            foreach (ModelOutput output in forecasts.Where(output => output.Column == column))
            {
                string ahead = Ahead(output.TicksAhead * stream.Period.TotalSeconds);
                int horizon = Array.IndexOf(horizons, output.TicksAhead);
                WriteSensor(
                    json,
                    ids,
                    stream,
                    $"{Slug(name)}_in_{Slug(ahead)}",
                    $"{name} in {ahead}",
                    $"forecast['{Escape(name)}'][{horizon}]",
                    column);
            }
        }
    }

    private void WriteLimits(Utf8JsonWriter json, HashSet<string> ids, DescribedStream stream)
    {
        foreach (LimitState limit in stream.Limits)
        {
            string side = limit.Side == LimitSide.High ? "high" : "low";
            string path = $"value_json['{Escape(limit.Column)}'].{side}";
            string topic = Topics.LimitState(device, stream.Name);
            Begin(json, ids, stream, $"{Slug(limit.Column)}_{side}_limit", "binary_sensor", $"{limit.Column} {side} limit", topic);
            json.WriteString("val_tpl", $"{{{{ 'OFF' if {path}.stage == 'inside' else 'ON' }}}}");
            json.WriteString("dev_cla", "problem");
            json.WriteEndObject();
            Begin(
                json, ids, stream, $"{Slug(limit.Column)}_{side}_limit_seconds", "sensor", $"time to {limit.Column} {side} limit", topic);
            json.WriteString("val_tpl", $"{{{{ {path}.seconds_to_limit }}}}");
            json.WriteString("unit_of_meas", "s");
            json.WriteString("dev_cla", "duration");
            json.WriteEndObject();
        }
    }

    private void WriteSensor(
        Utf8JsonWriter json, HashSet<string> ids, DescribedStream stream, string id, string name, string path, int column)
    {
        Begin(json, ids, stream, id, "sensor", name, Topics.Entities(device, stream.Name));
        json.WriteNumber("sug_dsp_prc", HomeAssistantUnits.DisplayPrecision(stream.Manifest, column));
        EndMeasurement(json, stream, path, stream.Manifest.Units[column], stream.Manifest.Columns[column]);
    }

    // The rest of a sensor of a measurement, and the end of its object.
    private static void EndMeasurement(Utf8JsonWriter json, DescribedStream stream, string path, string unitOfModel, string quantity)
    {
        json.WriteString("val_tpl", $"{{{{ value_json.{path} }}}}");
        json.WriteString("stat_cla", "measurement");
        json.WriteNumber("exp_aft", (int)Math.Ceiling(stream.Entities.Expiry(stream.Period).TotalSeconds));
        (string unit, string? deviceClass) = HomeAssistantUnits.Of(unitOfModel, quantity);
        if (unit.Length > 0)
        {
            json.WriteString("unit_of_meas", unit);
        }

        if (deviceClass is not null)
        {
            json.WriteString("dev_cla", deviceClass);
        }

        json.WriteEndObject();
    }

    private void WriteHealth(
        Utf8JsonWriter json, HashSet<string> ids, DescribedStream stream, string id, string name, string value, string? unit)
    {
        // Null before the first forecast was due.
        string member = value.TrimStart('(').Split(' ')[0];
        Begin(json, ids, stream, $"health_{id}", "sensor", name, Topics.Health(device, stream.Name));
        json.WriteString("val_tpl", $"{{{{ {value} if {member} is not none else none }}}}");
        json.WriteString("stat_cla", "measurement");
        json.WriteString("ent_cat", "diagnostic");
        if (unit is not null)
        {
            json.WriteString("unit_of_meas", unit);
        }

        json.WriteEndObject();
    }

    private void WriteDiagnostic(
        Utf8JsonWriter json, HashSet<string> ids, string id, string name, string value, string? unit, string? deviceClass)
    {
        Begin(json, ids, null, id, "sensor", name, Topics.Info(device));
        json.WriteString("val_tpl", $"{{{{ {value} }}}}");
        json.WriteString("ent_cat", "diagnostic");
        if (unit is not null)
        {
            json.WriteString("unit_of_meas", unit);
        }

        if (deviceClass is not null)
        {
            json.WriteString("dev_cla", deviceClass);
        }

        json.WriteEndObject();
    }

    private void WriteButton(
        Utf8JsonWriter json,
        HashSet<string> ids,
        string id,
        string name,
        string command,
        string payload,
        DescribedStream? stream = null)
    {
        Begin(json, ids, stream, id, "button", name, null);
        json.WriteString("cmd_t", Topics.Command(device, command));
        json.WriteString("pl_prs", payload);
        json.WriteString("ent_cat", "config");
        json.WriteEndObject();
    }

    // A stream's name has no point, so that no two ids of a broker are equal.
    private void Begin(
        Utf8JsonWriter json,
        HashSet<string> ids,
        DescribedStream? stream,
        string id,
        string platform,
        string name,
        string? topic)
    {
        string unique = ids.Add(id) ? id : $"{id}_{Hash($"{platform} {name}")}";
        ids.Add(unique);
        json.WriteStartObject(unique);
        json.WriteString("p", platform);
        json.WriteString("uniq_id", stream is null ? $"{DeviceId}..{unique}" : $"{DeviceId}.{stream.Name}.{unique}");
        json.WriteString("name", name);
        if (topic is not null)
        {
            json.WriteString("stat_t", topic);
        }
    }

    private static void WriteTopic(Utf8JsonWriter json, string topic)
    {
        json.WriteStartObject();
        json.WriteString("t", topic);
        json.WriteEndObject();
    }

    private static void WriteMaker(Utf8JsonWriter json)
    {
        json.WriteString("mf", "Edge runtime");
        json.WriteString("mdl", "edge-runtime");
        json.WriteString("sw", InfoMessage.Version);
    }

    private static void WriteOrigin(Utf8JsonWriter json)
    {
        json.WriteStartObject("o");
        json.WriteString("name", "edge-runtime");
        json.WriteString("sw", InfoMessage.Version);
        json.WriteEndObject();
    }

    // The body writes everything up to the open object of the components, and returns their ids.
    private static MqttMessage Write(string topic, ReadOnlyMemory<byte> previous, Func<Utf8JsonWriter, HashSet<string>> body)
    {
        using var payload = new MemoryStream();
        using (var json = new Utf8JsonWriter(payload, PayloadJson.Options))
        {
            json.WriteStartObject();
            HashSet<string> ids = body(json);
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

        return new MqttMessage
        {
            Topic = topic,
            Payload = payload.ToArray(),
            Class = MessageClass.Event,
            Retain = true,
        };
    }

    // Anybody may have written the retained message: only what this program could have written is read.
    private static IEnumerable<(string Id, string Platform)> Components(ReadOnlyMemory<byte> previous)
    {
        if (previous.IsEmpty)
        {
            return [];
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(previous);
            JsonElement root = document.RootElement;
            return root.GetProperty("o").GetProperty("name").GetString() != "edge-runtime"
                ? []
                :
                [
                    .. root.GetProperty("cmps")
                        .EnumerateObject()
                        .Select(component => (Id: component.Name, Platform: component.Value.GetProperty("p").GetString() ?? ""))
                        .Where(component => component.Id.Length <= IdMax && component.Id.All(IsIdLetter))
                        .Where(component => Platforms.Contains(component.Platform))
                        .DistinctBy(component => component.Id),
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

    private static bool IsIdLetter(char letter) => char.IsAsciiLetterOrDigit(letter) || letter == '_';

    // Letters and digits of ASCII; a name with others keeps itself apart by a hash.
    private static string Slug(string text)
    {
        string plain = new([.. text.ToLowerInvariant().Select(letter => IsIdLetter(letter) ? letter : '_')]);
        bool isKnown = text.All(letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter is '_' or ' ');
        return isKnown ? plain : $"{plain}_{Hash(text)}";
    }

    private static string Hash(string text) => Checksum.Of(Encoding.UTF8.GetBytes(text)).ToString("x8", CultureInfo.InvariantCulture);

    private static string Escape(string text) =>
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal);
}
