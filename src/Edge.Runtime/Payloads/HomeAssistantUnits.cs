using Edge.Inference.Models;

namespace Edge.Runtime.Payloads;

/// <summary>
/// Units of channels as Home Assistant writes them, and the device class that each implies. Home Assistant, "Sensor entity", device
/// classes: each class takes certain units only. A unit without an entry is shown as it is, without a class.
/// </summary>
internal static class HomeAssistantUnits
{
    private const int DigitsMax = 6;

    // Unit in the manifest, unit in Home Assistant, and its device class.
    private static readonly Dictionary<string, (string Unit, string? Class)> Known = new(StringComparer.Ordinal)
    {
        ["degC"] = ("°C", "temperature"),
        ["°C"] = ("°C", "temperature"),
        ["C"] = ("°C", "temperature"),
        ["degF"] = ("°F", "temperature"),
        ["°F"] = ("°F", "temperature"),
        ["K"] = ("K", "temperature"),
        ["Pa"] = ("Pa", "pressure"),
        ["hPa"] = ("hPa", "atmospheric_pressure"),
        ["mbar"] = ("mbar", "atmospheric_pressure"),
        ["kPa"] = ("kPa", "pressure"),
        ["MPa"] = ("MPa", null),
        ["bar"] = ("bar", "pressure"),
        ["psi"] = ("psi", "pressure"),
        ["inHg"] = ("inHg", "atmospheric_pressure"),
        ["mmHg"] = ("mmHg", "pressure"),
        ["V"] = ("V", "voltage"),
        ["mV"] = ("mV", "voltage"),
        ["kV"] = ("kV", "voltage"),
        ["A"] = ("A", "current"),
        ["mA"] = ("mA", "current"),
        ["mW"] = ("mW", "power"),
        ["W"] = ("W", "power"),
        ["kW"] = ("kW", "power"),
        ["MW"] = ("MW", "power"),
        ["VA"] = ("VA", "apparent_power"),
        ["kVA"] = ("kVA", "apparent_power"),
        ["var"] = ("var", "reactive_power"),
        ["kvar"] = ("kvar", "reactive_power"),
        ["Wh"] = ("Wh", "energy_storage"),
        ["kWh"] = ("kWh", "energy_storage"),
        ["MWh"] = ("MWh", "energy_storage"),
        ["Hz"] = ("Hz", "frequency"),
        ["kHz"] = ("kHz", "frequency"),
        ["MHz"] = ("MHz", "frequency"),
        ["lx"] = ("lx", "illuminance"),
        ["W/m2"] = ("W/m²", "irradiance"),
        ["W/m²"] = ("W/m²", "irradiance"),
        ["mm"] = ("mm", "distance"),
        ["cm"] = ("cm", "distance"),
        ["m"] = ("m", "distance"),
        ["km"] = ("km", "distance"),
        ["in"] = ("in", "distance"),
        ["ft"] = ("ft", "distance"),
        ["mm/h"] = ("mm/h", "precipitation_intensity"),
        ["mm/s"] = ("mm/s", "speed"),
        ["m/s"] = ("m/s", "speed"),
        ["km/h"] = ("km/h", "speed"),
        ["mph"] = ("mph", "speed"),
        ["kn"] = ("kn", "speed"),
        ["dB"] = ("dB", "sound_pressure"),
        ["dBA"] = ("dBA", "sound_pressure"),
        ["dBm"] = ("dBm", "signal_strength"),
        ["kg"] = ("kg", "weight"),
        ["g"] = ("g", "weight"),
        ["t"] = ("t", null),
        ["L"] = ("L", "volume_storage"),
        ["l"] = ("L", "volume_storage"),
        ["mL"] = ("mL", "volume_storage"),
        ["m3"] = ("m³", "volume_storage"),
        ["m³"] = ("m³", "volume_storage"),
        ["L/min"] = ("L/min", "volume_flow_rate"),
        ["l/min"] = ("L/min", "volume_flow_rate"),
        ["L/h"] = ("L/h", "volume_flow_rate"),
        ["m3/h"] = ("m³/h", "volume_flow_rate"),
        ["m³/h"] = ("m³/h", "volume_flow_rate"),
        ["m3/s"] = ("m³/s", "volume_flow_rate"),
        ["pH"] = ("", "ph"),
        ["µS/cm"] = ("µS/cm", "conductivity"),
        ["uS/cm"] = ("µS/cm", "conductivity"),
        ["mS/cm"] = ("mS/cm", "conductivity"),
        ["g/m3"] = ("g/m³", "absolute_humidity"),
        ["ug/m3"] = ("µg/m³", null),
        ["µg/m3"] = ("µg/m³", null),
        ["s"] = ("s", "duration"),
        ["min"] = ("min", "duration"),
        ["h"] = ("h", "duration"),
        ["B"] = ("B", "data_size"),
        ["kB"] = ("kB", "data_size"),
        ["MB"] = ("MB", "data_size"),
        ["GB"] = ("GB", "data_size"),
        ["deg"] = ("°", null),
        ["m/s2"] = ("m/s²", null),
        ["uT"] = ("µT", null),
        ["deg/s"] = ("°/s", null),
        ["1/min"] = ("rpm", null),
    };

    /// <summary>The unit and the device class of a channel; the class is null where none fits for certain.</summary>
    internal static (string Unit, string? Class) Of(string unit, string channel)
    {
        string name = channel.ToLowerInvariant();
        bool Names(string part) => name.Contains(part, StringComparison.Ordinal);
        return (unit, Known.GetValueOrDefault(unit)) switch
        {
            ("%", _) when Names("humid") => ("%", "humidity"),
            ("%", _) when Names("moist") => ("%", "moisture"),
            ("%", _) when Names("batter") => ("%", "battery"),
            ("ppm", _) when Names("co2") => ("ppm", "carbon_dioxide"),
            ("m/s" or "km/h" or "mph" or "kn", _) when Names("wind") => (unit, "wind_speed"),
            ("mm" or "cm" or "in", _) when Names("rain") || Names("precip") => (unit, "precipitation"),
            ("ug/m3" or "µg/m3", _) when Names("pm2") || Names("pm25") => ("µg/m³", "pm25"),
            ("ug/m3" or "µg/m3", _) when Names("pm10") => ("µg/m³", "pm10"),
            (_, (null, _)) => (unit, null),
            (_, var known) => known,
        };
    }

    /// <summary>Digits behind the point that show a thousandth of the range in which a channel usually moves, 0..6.</summary>
    internal static int DisplayPrecision(ModelManifest manifest, int column)
    {
        double deviation = manifest.Std[column];
        return deviation > 0 ? (int)Math.Clamp(1 - Math.Floor(Math.Log10(deviation)), 0, DigitsMax) : 2;
    }
}
