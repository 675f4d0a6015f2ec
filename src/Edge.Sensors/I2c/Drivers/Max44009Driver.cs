using Iot.Device.Max44009;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Maxim MAX44009.</summary>
internal static class Max44009Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "max44009",
        "Maxim MAX44009",
        [0x4a, 0x4b],
        [
            new("illuminance", "lx", 0, 188006.4),
        ],
        (device, _) =>
        {
            var sensor = new Max44009(device);
            return new OpenSensor(sensor, values =>
            {
                values[0] = sensor.Illuminance;
                return true;
            });
        });
}
