using System.Globalization;
using Edge.Inference;

namespace Edge.Sensors;

/// <summary>
/// Devices that the kernel shows as folders of small text files, found by name, because the numbers in the names of their folders change
/// from boot to boot.
/// </summary>
internal static class KernelFiles
{
    private const int TextMax = 256;

    /// <summary>The folder of a device.</summary>
    /// <param name="root">Folder of all devices of its class.</param>
    /// <param name="name">Text of its <c>name</c> file.</param>
    /// <param name="at">Name of its node, or null.</param>
    /// <exception cref="IOException">There is none, or more than one.</exception>
    internal static string Find(string root, string name, string? at)
    {
        List<string> found = All(root).Where(device => device.Name == name).Select(device => device.Folder).ToList();
        List<string> here = at is null ? found : found.Where(folder => Node(folder) == at).ToList();
        return here.Count switch
        {
            1 => here[0],
            0 when found.Count > 0 => throw new IOException($"'{name}' is at {Nodes(found)}, not at {at}"),
            0 => throw new IOException($"{root} has no '{name}'; it has {Names(root)}"),
            _ => throw new IOException($"{root} has {here.Count} devices of that name; choose one with 'at': {Nodes(here)}"),
        };
    }

    /// <summary>Every device of a class, by name.</summary>
    internal static IReadOnlyList<(string Name, string Folder)> All(string root)
    {
        if (!Directory.Exists(root))
        {
            return [];
        }

        return Directory.EnumerateFileSystemEntries(root)
            .Order(StringComparer.Ordinal)
            .Select(folder => (Name: TryText(Path.Combine(folder, "name")) ?? "", Folder: folder))
            .Where(device => device.Name.Length > 0)
            .ToList();
    }

    /// <summary>Name of what a device sits on: 1-0076 for address 0x76 of I2C bus 1.</summary>
    internal static string Node(string folder)
    {
        // Both /sys/bus/iio/devices and /sys/class/hwmon are links into the tree of real devices.
        string real = new DirectoryInfo(folder).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? folder;
        DirectoryInfo? parent = Directory.GetParent(real);
        return (parent?.Name == "hwmon" ? parent.Parent?.Name : parent?.Name) ?? "";
    }

    /// <exception cref="IOException">The file cannot be read, or is no number.</exception>
    internal static double Number(string path)
    {
        string text = Text(path);
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? value
            : throw new IOException($"{path} has '{text}', which is not a number");
    }

    internal static string? TryText(string path)
    {
        try
        {
            return Text(path);
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            return null;
        }
    }

    private static string Text(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        Span<byte> text = stackalloc byte[TextMax];
        return System.Text.Encoding.UTF8.GetString(text[..file.Read(text)]).Trim();
    }

    private static string Names(string root)
    {
        string names = string.Join(", ", All(root).Select(device => $"'{device.Name}'"));
        return names.Length > 0 ? names : "nothing";
    }

    private static string Nodes(IEnumerable<string> folders) => string.Join(", ", folders.Select(Node));
}
