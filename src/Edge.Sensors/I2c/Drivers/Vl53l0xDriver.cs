using Iot.Device.Vl53L0X;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>ST VL53L0X, single shots in long-range mode. The binding returns 8190 mm or more if nothing is in range.</summary>
internal static class Vl53l0xDriver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "vl53l0x",
        "ST VL53L0X",
        [0x29],
        [
            new("distance", "mm", 0, 8189),
        ],
        (device, _) =>
        {
            var sensor = new Vl53L0X(device);
            return new OpenSensor(sensor, values =>
            {
                values[0] = sensor.DistanceSingleMeasurement;
                return true;
            });
        }) with
    { Timeout = TimeSpan.FromSeconds(2) };
}
