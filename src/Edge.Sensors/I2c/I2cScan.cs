using System.Device.I2c;

namespace Edge.Sensors.I2c;

/// <summary>Finds the devices on a bus and the drivers that read a valid value from them.</summary>
internal static class I2cScan
{
    // The addresses below and above are reserved by the standard.
    private const int FirstAddress = 0x08;
    private const int LastAddress = 0x77;

    /// <summary>Reads a byte from each address. Each driver for an address reads once.</summary>
    internal static IReadOnlyList<I2cFinding> Run(int bus, Func<int, I2cBus> openBus)
    {
        var findings = new List<I2cFinding>();
        for (int address = FirstAddress; address <= LastAddress; address++)
        {
            if (Answers(bus, address, openBus))
            {
                findings.Add(new I2cFinding(address, [.. I2cDrivers.At(address).Select(driver => Try(driver, bus, address, openBus))]));
            }
        }

        return findings;
    }

    private static bool Answers(int bus, int address, Func<int, I2cBus> openBus)
    {
        try
        {
            using I2cBus opened = openBus(bus);
            using I2cDevice device = opened.CreateDevice(address);
            device.ReadByte();
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static I2cCandidate Try(I2cDriver driver, int bus, int address, Func<int, I2cBus> openBus)
    {
        (string, string)[] channels = [.. driver.Channels.Select(channel => (channel.Name, channel.Unit))];
        var device = new I2cPolledDevice(
            new I2cDeviceOptions(bus, address, driver.Name, null, 0, DriverOptions.None),
            [.. driver.Channels.Select(channel => channel.Name)],
            openBus);
        var values = new double[channels.Length];
        try
        {
            device.Open();
            return new I2cCandidate(
                driver.Name,
                driver.Description,
                channels,
                device.Read(values) && IsPossible(device, values) ? values : null);
        }
        catch (Exception)
        {
            // The device is of another kind; drivers report that by exceptions of any type.
            return new I2cCandidate(driver.Name, driver.Description, channels, null);
        }
        finally
        {
            try
            {
                device.Close();
            }
            catch (Exception)
            {
                // A device that did not open need not be closed.
            }
        }
    }

    private static bool IsPossible(I2cPolledDevice device, double[] values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            (double min, double max) = device.Range(i);
            if (!(values[i] >= min && values[i] <= max))
            {
                return false;
            }
        }

        return true;
    }
}
