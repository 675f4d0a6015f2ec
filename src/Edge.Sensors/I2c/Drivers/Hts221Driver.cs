using Iot.Device.Hts221;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>ST HTS221. Its calibration line goes a little past 0 and 100 % at the ends.</summary>
internal static class Hts221Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "hts221",
        "ST HTS221",
        [0x5f],
        [
            new("temperature", "degC", -40, 120),
            new("humidity", "%", 0, 100),
        ],
        (device, _) =>
        {
            var sensor = new Hts221(device);
            return new OpenSensor(sensor, values =>
            {
                values[0] = sensor.Temperature.DegreesCelsius;
                values[1] = Math.Clamp(sensor.Humidity.Percent, 0, 100);
                return true;
            });
        });
}
