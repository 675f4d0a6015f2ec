using System.Globalization;
using Edge.Sensors.Polling;

namespace Edge.Sensors.I2c;

/// <summary>Whether this process can open an I2C bus, and if not, how to fix it.</summary>
internal static class I2cAccess
{
    /// <summary>Buses that have a device file, by number.</summary>
    internal static IReadOnlyList<int> Buses(string devices = "/dev") => !Directory.Exists(devices) ? [] :
        [.. Directory.EnumerateFileSystemEntries(devices, "i2c-*")
            .Select(
                file =>
                    int.TryParse(Path.GetFileName(file).AsSpan("i2c-".Length), NumberStyles.None, CultureInfo.InvariantCulture, out int bus)
                        ? bus
                        : -1)
            .Where(bus => bus >= 0)
            .Order()];

    /// <summary>Why a bus cannot be opened and how to fix it, or null.</summary>
    /// <param name="bus">Its number.</param>
    /// <param name="devices">Folder of the device files.</param>
    /// <param name="modules">The kernel's list of loaded modules.</param>
    /// <param name="adapters">The kernel's folder of I2C adapters.</param>
    internal static string? Problem(
        int bus,
        string devices = "/dev",
        string modules = "/sys/module",
        string adapters = "/sys/bus/i2c/devices")
    {
        string file = Path.Combine(devices, $"i2c-{bus}");
        if (!File.Exists(file))
        {
            IReadOnlyList<int> there = Buses(devices);
            if (there.Count > 0)
            {
                return $"There is no I2C bus {bus}. Buses: {string.Join(", ", there)}. Check 'bus'; "
                    + $"on a Raspberry Pi the header's pins 3 and 5 are bus 1.";
            }

            return Directory.Exists(Path.Combine(adapters, $"i2c-{bus}")) && !Directory.Exists(Path.Combine(modules, "i2c_dev"))
                ? "The kernel module i2c-dev is not loaded. Run 'sudo modprobe i2c-dev' and add a line i2c-dev to /etc/modules."
                : "This machine has no I2C bus. On a Raspberry Pi run 'sudo raspi-config nonint do_i2c 0' and restart; "
                    + "elsewhere enable the bus in the device tree and load i2c-dev.";
        }

        try
        {
            using var opened = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return $"User '{Environment.UserName}' may not open {file}. "
                + $"Run 'sudo usermod -aG i2c {Environment.UserName}' and log in again; "
                + $"as a service, give the unit SupplementaryGroups=i2c.";
        }
        catch (IOException e)
        {
            return $"{file} cannot be opened: {e.Message}";
        }
    }
}
