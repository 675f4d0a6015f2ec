using Iot.Device.Vl53L1X;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>ST VL53L1X. A distance that the sensor flags as unreliable is not valid.</summary>
internal static class Vl53l1xDriver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "vl53l1x",
        "ST VL53L1X",
        [0x29],
        [
            new("distance", "mm", 0, 5000),
        ],
        (device, _) =>
        {
            var sensor = new Vl53L1X(device);
            return new OpenSensor(sensor, values =>
            {
                double distance = sensor.GetDistance().Millimeters;
                values[0] = sensor.RangeStatus == RangeStatus.NoError ? distance : double.NaN;
                return true;
            });
        }) with
    { Timeout = TimeSpan.FromSeconds(2) };
}
