using Iot.Device.Bh1750fvi;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>ROHM BH1750FVI, continuously at high resolution.</summary>
internal static class Bh1750Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "bh1750",
        "ROHM BH1750FVI",
        [0x23, 0x5c],
        [
            new("illuminance", "lx", 0, 120000),
        ],
        (device, _) =>
        {
            var sensor = new Bh1750fvi(device);
            return new OpenSensor(sensor, values =>
            {
                values[0] = sensor.Illuminance.Lux;
                return true;
            });
        });
}
