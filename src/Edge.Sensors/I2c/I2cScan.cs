using System.Device.I2c;

namespace Edge.Sensors.I2c;

/// <summary>Looks what answers on a bus and which drivers read something sensible from it.</summary>
internal static class I2cScan
{
    // The addresses below and above are the standard's own.
    private const int FirstAddress = 0x08;
    private const int LastAddress = 0x77;

    /// <summary>Asks each address for a byte; of the drivers that know an address, each reads once.</summary>
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
            new I2cDeviceOptions(bus, address, driver.Name, null, 0, DriverOptions.None), [.. driver.Channels.Select(channel => channel.Name)], openBus);
        var values = new double[channels.Length];
        try
        {
            device.Open();
            return new I2cCandidate(driver.Name, driver.Description, channels, device.Read(values) && IsPossible(device, values) ? values : null);
        }
        catch (Exception)
        {
            // It speaks another language; drivers say so in every way there is.
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
                // What did not open need not close.
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
