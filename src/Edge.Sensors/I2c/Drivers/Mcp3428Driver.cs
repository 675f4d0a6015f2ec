using Edge.Inference;
using Iot.Device.Mcp3428;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Microchip MCP3428: four inputs, 16 bits, 15 conversions a second; <c>gain</c> is 1, 2, 4 or 8.</summary>
internal static class Mcp3428Driver
{
    internal static readonly I2cDriver Driver = new(
        "mcp3428",
        "Microchip MCP3428",
        [0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
        [.. Enumerable.Range(1, 4).Select(input => new DriverChannel($"ch{input}", "V", -2.048, 2.048))],
        (device, channels, options) =>
        {
            (AdcGain gain, int factor) = Gain(options);
            var sensor = new Mcp3428(device, AdcMode.OneShot, AdcResolution.Bit16, gain);
            return new OpenSensor(sensor, values =>
            {
                for (int i = 0; i < channels.Length; i++)
                {
                    // The binding gives what the converter saw, behind the amplifier.
                    values[i] = sensor.ReadChannel(channels[i]) / factor;
                }

                return true;
            });
        });

    private static (AdcGain Gain, int Factor) Gain(DriverOptions options) => options.Gain switch
    {
        double.NaN or 1 => (AdcGain.X1, 1),
        2 => (AdcGain.X2, 2),
        4 => (AdcGain.X4, 4),
        8 => (AdcGain.X8, 8),
        _ => throw new InputException($"'gain' of an mcp3428 is 1, 2, 4 or 8, not {options.Gain}."),
    };
}
