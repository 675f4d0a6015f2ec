using Edge.Sensors.Polling;

namespace Edge.Sensors.Hwmon;

/// <summary>
/// A chip of the kernel's hardware monitoring. Its integers become whole units: degC, V, A, W, J, %, RPM, Hz.
/// Linux, Documentation/hwmon/sysfs-interface.
/// </summary>
internal sealed class HwmonChip(
    HwmonDeviceOptions config,
    IReadOnlyList<string> reads,
    string root) : PolledDevice(config, config.ToString())
{
    private static readonly (string Type, double Unit)[] Units =
        [("temp", 0.001), ("in", 0.001), ("curr", 0.001), ("humidity", 0.001), ("power", 1e-6), ("energy", 1e-6)];

    private readonly (string File, string? Fault, double Unit)[] _files = new (string, string?, double)[reads.Count];

    internal override void Open()
    {
        string folder = KernelFiles.Find(root, config.Name, config.At);
        for (int i = 0; i < reads.Count; i++)
        {
            string file = Path.Combine(folder, $"{reads[i]}_input");
            if (!File.Exists(file))
            {
                throw new IOException($"it has no input '{reads[i]}'; it has {string.Join(", ", Inputs(folder))}");
            }

            string fault = Path.Combine(folder, $"{reads[i]}_fault");
            string type = reads[i].TrimEnd('0', '1', '2', '3', '4', '5', '6', '7', '8', '9');
            _files[i] = (file, File.Exists(fault) ? fault : null, Units.FirstOrDefault(unit => unit.Type == type, ("", 1)).Item2);
        }
    }

    internal override bool Read(Span<double> values)
    {
        for (int i = 0; i < _files.Length; i++)
        {
            (string file, string? fault, double unit) = _files[i];
            values[i] = fault is not null && KernelFiles.Number(fault) != 0 ? double.NaN : KernelFiles.Number(file) * unit;
        }

        return true;
    }

    internal override void Close()
    {
    }

    /// <summary>The inputs that a chip's folder offers.</summary>
    internal static IEnumerable<string> Inputs(string folder) => Directory.EnumerateFiles(folder, "*_input")
        .Select(file => Path.GetFileName(file)[..^"_input".Length])
        .Order(StringComparer.Ordinal);
}
