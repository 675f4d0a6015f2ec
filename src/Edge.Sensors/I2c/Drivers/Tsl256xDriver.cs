using System.Buffers.Binary;
using System.Device.I2c;
using Iot.Device.Tsl256x;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>
/// ams TSL2560 and TSL2561 in packages T, FN and CL: 101 ms of integration a reading. The binding reads eight of the infrared
/// channel's sixteen bits, so both channels are read here.
/// </summary>
internal static class Tsl256xDriver
{
    // Command, word, channel 0 and 1.
    private const byte Channel0 = 0xac;
    private const byte Channel1 = 0xae;
    private const int IntegrationMs = 101;

    // The data sheet's formula is for 402 ms at gain 16; here it is 101 ms at gain 1.
    private const double Scale = 322.0 / 81 * 16;

    // A full channel.
    private const int Saturated = 37177;

    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "tsl256x",
        "ams TSL2560, TSL2561",
        [0x39, 0x29, 0x49],
        [new("illuminance", "lx", 0, 60000)],
        (device, _) =>
        {
            var sensor = new Tsl256x(device) { IntegrationTime = IntegrationTime.Integration101Milliseconds, Enabled = true };
            Thread.Sleep(IntegrationMs);
            return new OpenSensor(sensor, values =>
            {
                values[0] = Lux(Word(device, Channel0), Word(device, Channel1));
                return true;
            });
        });

    private static int Word(I2cDevice device, byte command)
    {
        Span<byte> word = stackalloc byte[2];
        device.WriteRead([command], word);
        return BinaryPrimitives.ReadUInt16LittleEndian(word);
    }

    // TAOS059N, "Calculating Lux": empirical, by the share of infrared.
    private static double Lux(int all, int infrared)
    {
        if (all >= Saturated || infrared >= Saturated)
        {
            return double.NaN;
        }

        double visible = all * Scale;
        double red = infrared * Scale;
        double ratio = all == 0 ? 0 : (double)infrared / all;
        return ratio switch
        {
            <= 0.50 => (0.0304 * visible) - (0.062 * visible * Math.Pow(ratio, 1.4)),
            <= 0.61 => (0.0224 * visible) - (0.031 * red),
            <= 0.80 => (0.0128 * visible) - (0.0153 * red),
            <= 1.30 => (0.00146 * visible) - (0.00112 * red),
            _ => 0,
        };
    }
}
