using System.Numerics;
using Iot.Device.Hmc5883l;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Honeywell HMC5883L at ±1.3 gauss (1,090 counts a gauss). The sensor returns -4096 on overflow.</summary>
internal static class Hmc5883lDriver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "hmc5883l",
        "Honeywell HMC5883L",
        [0x1e],
        [
            new("field_x", "uT", -250, 250),
            new("field_y", "uT", -250, 250),
            new("field_z", "uT", -250, 250),
        ],
        (device, _) =>
        {
            var sensor = new Hmc5883l(device);
            return new OpenSensor(sensor, values =>
            {
                Vector3 counts = sensor.DirectionVector;
                (values[0], values[1], values[2]) = (MicroTesla(counts.X), MicroTesla(counts.Y), MicroTesla(counts.Z));
                return true;
            });
        });

    // 1 gauss is 100 uT.
    private static double MicroTesla(float counts) => counts <= -4096 ? double.NaN : counts * 100 / 1090;
}
