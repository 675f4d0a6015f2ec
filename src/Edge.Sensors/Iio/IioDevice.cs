using Edge.Sensors.Polling;

namespace Edge.Sensors.Iio;

/// <summary>
/// A device of the kernel's Industrial I/O: <c>in_CHANNEL_input</c> where the driver computes the value, else
/// <c>(in_CHANNEL_raw + offset) · scale</c>, the two looked up for the channel and then for its type. The kernel's milli-units
/// become whole ones: degC, %, V, A; other units stay (pressure in kPa, illuminance in lx, acceleration in m/s²).
/// Linux, Documentation/ABI/testing/sysfs-bus-iio.
/// </summary>
internal sealed class IioDevice(IioDeviceOptions config, IReadOnlyList<string> reads, string root) : PolledDevice(config, config.ToString())
{
    // Types of channels whose kernel unit is a thousandth of the unit here.
    private static readonly string[] MilliTypes = ["temp", "humidityrelative", "voltage", "current", "power"];

    private readonly (string File, double Scale, double Offset)[] _files = new (string, double, double)[reads.Count];

    internal override void Open()
    {
        string folder = KernelFiles.Find(root, config.Name, config.At);
        for (int i = 0; i < reads.Count; i++)
        {
            _files[i] = Resolve(folder, reads[i]);
        }
    }

    internal override bool Read(Span<double> values)
    {
        for (int i = 0; i < _files.Length; i++)
        {
            (string file, double scale, double offset) = _files[i];
            values[i] = (KernelFiles.Number(file) + offset) * scale;
        }

        return true;
    }

    internal override void Close()
    {
    }

    /// <summary>The channels that a device's folder offers.</summary>
    internal static IEnumerable<string> Channels(string folder) => Directory.EnumerateFiles(folder)
        .Select(file => Path.GetFileName(file))
        .Where(
            file =>
                file.StartsWith("in_", StringComparison.Ordinal)
                    && (file.EndsWith("_input", StringComparison.Ordinal) || file.EndsWith("_raw", StringComparison.Ordinal)))
        .Select(file => file[3..file.LastIndexOf('_')])
        .Distinct()
        .Order(StringComparer.Ordinal);

    private static (string File, double Scale, double Offset) Resolve(string folder, string channel)
    {
        double unit = MilliTypes.Contains(Type(channel)) ? 0.001 : 1;
        string input = Path.Combine(folder, $"in_{channel}_input");
        if (File.Exists(input))
        {
            return (input, unit, 0);
        }

        string raw = Path.Combine(folder, $"in_{channel}_raw");
        if (!File.Exists(raw))
        {
            throw new IOException($"it has no channel '{channel}'; it has {string.Join(", ", Channels(folder))}");
        }

        return (raw, unit * (Shared(folder, channel, "scale") ?? 1), Shared(folder, channel, "offset") ?? 0);
    }

    // For this channel, for all of its type, or for the whole device.
    private static double? Shared(string folder, string channel, string what)
    {
        string? file = new[] { $"in_{channel}_{what}", $"in_{Type(channel)}_{what}", what }
            .Select(name => Path.Combine(folder, name))
            .FirstOrDefault(File.Exists);
        return file is null ? null : KernelFiles.Number(file);
    }

    // voltage of voltage3, accel of accel_x.
    private static string Type(string channel)
    {
        int end = channel.IndexOfAny(['_', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
        return end < 0 ? channel : channel[..end];
    }
}
