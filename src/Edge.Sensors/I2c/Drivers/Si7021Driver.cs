using Iot.Device.Si7021;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>
/// Silicon Labs Si7021, and the HTU21D that answers alike. Their formula gives a little less than 0 and more than 100 % at the ends.
/// </summary>
internal static class Si7021Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "si7021",
        "Silicon Labs Si7021",
        [0x40],
        [
            new("temperature", "degC", -40, 125),
            new("humidity", "%", 0, 100),
        ],
        (device, _) =>
        {
            var sensor = new Si7021(device);
            return new OpenSensor(sensor, values =>
            {
                values[0] = sensor.Temperature.DegreesCelsius;
                values[1] = Math.Clamp(sensor.Humidity.Percent, 0, 100);
                return true;
            });
        });
}
