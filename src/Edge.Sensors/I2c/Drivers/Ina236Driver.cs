using System.Buffers.Binary;
using System.Device.I2c;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>
/// TI INA236 with a shunt of <c>shunt</c> ohms (0.008 if not given). Current is the shunt's voltage over its resistance, which needs no
/// calibration. Iot.Device has a binding from version 4.2 on only, so its few registers are read here.
/// </summary>
internal static class Ina236Driver
{
    private const byte Configuration = 0x00;
    private const byte ShuntVoltage = 0x01;
    private const byte BusVoltage = 0x02;
    private const byte DeviceId = 0x3f;
    private const int Id = 0xa080;
    private const double ShuntVoltsPerCount = 2.5e-6;
    private const double BusVoltsPerCount = 1.6e-3;
    private const double ShuntOhms = 0.008;

    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "ina236",
        "TI INA236",
        [0x40, 0x41, 0x42, 0x43, 0x48, 0x49, 0x4a, 0x4b],
        [
            new("voltage", "V", 0, 48),
            new("shunt_voltage", "V", -0.082, 0.082),
            new("current", "A", double.NegativeInfinity, double.PositiveInfinity),
            new("power", "W", double.NegativeInfinity, double.PositiveInfinity),
        ],
        (device, options) =>
        {
            int id = (ushort)Read(device, DeviceId);
            if ((id & 0xfff0) != Id)
            {
                throw new IOException($"its id is 0x{id:x4}; the id of an INA236 is 0x{Id:x4}");
            }

            // Reset: both voltages, continuously.
            device.Write([Configuration, 0x80, 0x00]);
            double shunt = double.IsNaN(options.Shunt) ? ShuntOhms : options.Shunt;
            return new OpenSensor(device, values =>
            {
                double volts = Read(device, BusVoltage) * BusVoltsPerCount;
                double across = Read(device, ShuntVoltage) * ShuntVoltsPerCount;
                values[0] = volts;
                values[1] = across;
                values[2] = across / shunt;
                values[3] = volts * across / shunt;
                return true;
            });
        });

    private static short Read(I2cDevice device, byte register)
    {
        Span<byte> word = stackalloc byte[2];
        device.WriteRead([register], word);
        return BinaryPrimitives.ReadInt16BigEndian(word);
    }
}
