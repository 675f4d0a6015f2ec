using System.Text.Json;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// What Home Assistant accepts of a device description, from its documentation: "MQTT" (device discovery payload, abbreviations), "MQTT
/// sensor", "MQTT binary sensor", "MQTT button", and for developers "Sensor entity" (units and state classes of each device class).
/// </summary>
internal static class HomeAssistantSchema
{
    private static readonly string[] RootKeys = ["dev", "o", "cmps", "avty", "avty_t", "avty_mode", "stat_t", "cmd_t", "qos", "e"];
    private static readonly string[] DeviceKeys =
        ["ids", "cns", "name", "mf", "mdl", "mdl_id", "hw", "sw", "sn", "sa", "cu", "via_device"];

    private static readonly string[] OriginKeys = ["name", "sw", "url"];

    private static readonly string[] Common =
    [
        "p", "uniq_id", "name", "def_ent_id", "en", "ent_cat", "ic", "ent_pic", "json_attr_t", "json_attr_tpl", "avty", "avty_t",
        "avty_mode", "qos", "e", "dev_cla",
    ];

    private static readonly Dictionary<string, string[]> PlatformKeys = new()
    {
        ["sensor"] =
        [
            .. Common, "stat_t", "val_tpl", "unit_of_meas", "stat_cla", "exp_aft", "frc_upd", "lrst_val_tpl", "ops", "sug_dsp_prc",
        ],
        ["binary_sensor"] = [.. Common, "stat_t", "val_tpl", "exp_aft", "frc_upd", "off_dly", "pl_on", "pl_off"],
        ["button"] = [.. Common, "cmd_t", "cmd_tpl", "pl_prs", "ret"],
    };

    private static readonly Dictionary<string, string[]> Needed = new()
    {
        ["sensor"] = ["stat_t", "uniq_id"],
        ["binary_sensor"] = ["stat_t", "uniq_id"],
        ["button"] = ["cmd_t", "uniq_id"],
    };

    // Units by device class; null for a class without a unit.
    private static readonly Dictionary<string, string?[]> SensorUnits = new()
    {
        ["absolute_humidity"] = ["g/m³", "mg/m³"],
        ["apparent_power"] = ["mVA", "VA", "kVA"],
        ["atmospheric_pressure"] = ["cbar", "bar", "hPa", "mmHg", "inHg", "inH₂O", "kPa", "mbar", "Pa", "psi"],
        ["battery"] = ["%"],
        ["carbon_dioxide"] = ["ppm"],
        ["conductivity"] = ["S/cm", "mS/cm", "µS/cm"],
        ["current"] = ["A", "mA"],
        ["data_size"] = ["bit", "kbit", "Mbit", "Gbit", "B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB", "KiB", "MiB", "GiB", "TiB"],
        ["distance"] = ["km", "m", "cm", "mm", "mi", "nmi", "yd", "ft", "in"],
        ["duration"] = ["d", "h", "min", "s", "ms", "µs"],
        ["energy_storage"] = ["J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh", "GWh", "TWh", "cal", "kcal", "Mcal", "Gcal"],
        ["frequency"] = ["Hz", "kHz", "MHz", "GHz"],
        ["humidity"] = ["%"],
        ["illuminance"] = ["lx"],
        ["irradiance"] = ["W/m²", "BTU/(h⋅ft²)"],
        ["moisture"] = ["%"],
        ["ph"] = [null],
        ["pm10"] = ["µg/m³"],
        ["pm25"] = ["µg/m³"],
        ["power"] = ["mW", "W", "kW", "MW", "GW", "TW"],
        ["precipitation"] = ["cm", "in", "mm"],
        ["precipitation_intensity"] = ["in/d", "in/h", "mm/d", "mm/h"],
        ["pressure"] = ["cbar", "bar", "hPa", "mmHg", "inHg", "inH₂O", "kPa", "mbar", "Pa", "psi"],
        ["reactive_power"] = ["mvar", "var", "kvar"],
        ["signal_strength"] = ["dB", "dBm"],
        ["sound_pressure"] = ["dB", "dBA"],
        ["speed"] = ["ft/s", "in/d", "in/h", "in/s", "km/h", "kn", "m/s", "mph", "mm/d", "mm/s"],
        ["temperature"] = ["°C", "°F", "K"],
        ["voltage"] = ["V", "mV", "µV", "kV", "MV"],
        ["volume_flow_rate"] = ["m³/h", "m³/min", "m³/s", "ft³/min", "L/h", "L/min", "L/s", "gal/d", "gal/h", "gal/min", "mL/s"],
        ["volume_storage"] = ["L", "mL", "gal", "fl. oz.", "m³", "ft³", "CCF", "MCF"],
        ["weight"] = ["kg", "g", "mg", "µg", "oz", "lb", "st"],
        ["wind_speed"] = ["ft/s", "km/h", "kn", "m/s", "mph"],
    };

    private static readonly string[] BinaryClasses = ["problem", "running", "safety", "connectivity", "power", "heat", "cold", "moisture"];

    /// <summary>What is wrong with some descriptions, a sentence each.</summary>
    internal static List<string> Check(IEnumerable<(string Topic, string Payload)> descriptions)
    {
        var wrong = new List<string>();
        var unique = new HashSet<string>();
        foreach ((string topic, string payload) in descriptions)
        {
            string[] levels = topic.Split('/');
            bool isTopic = levels is [.., "device", var node, "config"]
                && node.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-');
            if (!isTopic)
            {
                wrong.Add($"{topic} is not PREFIX/device/ID/config");
            }

            JsonElement root = JsonDocument.Parse(payload).RootElement;
            Keys(topic, root, RootKeys, wrong);
            Keys($"{topic} dev", root.GetProperty("dev"), DeviceKeys, wrong);
            Keys($"{topic} o", root.GetProperty("o"), OriginKeys, wrong);
            if (Text(root.GetProperty("o"), "name") is not { Length: > 0 } || Text(root.GetProperty("dev"), "ids") is not { Length: > 0 })
            {
                wrong.Add($"{topic} needs a name of its origin and ids");
            }

            if (root.TryGetProperty("avty", out _) && root.TryGetProperty("avty_t", out _))
            {
                wrong.Add($"{topic} has both avty and avty_t");
            }

            var ids = new HashSet<string>();
            foreach (JsonProperty component in root.GetProperty("cmps").EnumerateObject())
            {
                string place = $"{topic} {component.Name}";
                if (!ids.Add(component.Name))
                {
                    wrong.Add($"{place} is there twice");
                }

                Component(place, component.Value, unique, wrong);
            }
        }

        return wrong;
    }

    private static void Component(string place, JsonElement component, HashSet<string> unique, List<string> wrong)
    {
        string platform = Text(component, "p") ?? "";
        if (!PlatformKeys.TryGetValue(platform, out string[]? keys))
        {
            wrong.Add($"{place} has the platform '{platform}'");
            return;
        }

        if (component.EnumerateObject().Count() == 1)
        {
            // Only its platform: it is removed.
            return;
        }

        Keys(place, component, keys, wrong);
        wrong.AddRange(Needed[platform].Where(key => Text(component, key) is not { Length: > 0 }).Select(key => $"{place} needs {key}"));
        if (!unique.Add(Text(component, "uniq_id") ?? ""))
        {
            wrong.Add($"{place} has a uniq_id that another one has");
        }

        string? category = Text(component, "ent_cat");
        if (category is not null && category != "diagnostic" && !(platform == "button" && category == "config"))
        {
            wrong.Add($"{place} cannot be of category {category}");
        }

        string? deviceClass = Text(component, "dev_cla");
        string? unit = Text(component, "unit_of_meas");
        if (platform == "sensor" && deviceClass is not null)
        {
            if (!SensorUnits.TryGetValue(deviceClass, out string?[]? units))
            {
                wrong.Add($"{place} has the class {deviceClass}");
            }
            else if (!units.Contains(unit))
            {
                wrong.Add($"{place} of class {deviceClass} cannot have the unit '{unit}'");
            }
        }

        if (platform == "binary_sensor" && deviceClass is not null && !BinaryClasses.Contains(deviceClass))
        {
            wrong.Add($"{place} has the class {deviceClass}");
        }

        if (Text(component, "stat_cla") is not null and not "measurement")
        {
            wrong.Add($"{place} is not a measurement");
        }

        foreach (string key in new[] { "exp_aft", "sug_dsp_prc" })
        {
            if (component.TryGetProperty(key, out JsonElement number) && (!number.TryGetInt32(out int whole) || whole < 0))
            {
                wrong.Add($"{place} {key} is not a whole number");
            }
        }
    }

    private static void Keys(string place, JsonElement element, string[] allowed, List<string> wrong)
    {
        string[] keys = [.. element.EnumerateObject().Select(member => member.Name)];
        wrong.AddRange(keys.Except(allowed).Select(key => $"{place} has the key '{key}'"));
        if (keys.Distinct().Count() != keys.Length)
        {
            wrong.Add($"{place} has a key twice");
        }
    }

    private static string? Text(JsonElement element, string key) =>
        element.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
