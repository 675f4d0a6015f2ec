using Iot.Device.Ahtxx;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Aosong AHT20 and AHT21.</summary>
internal static class AhtDriver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "ahtxx",
        "Aosong AHT20, AHT21",
        [0x38],
        [
            new("temperature", "degC", -40, 85),
            new("humidity", "%", 0, 100),
        ],
        (device, _) =>
        {
            var sensor = new Aht20(device);
            return new OpenSensor(sensor, values =>
            {
                values[0] = sensor.GetTemperature().DegreesCelsius;
                values[1] = sensor.GetHumidity().Percent;
                return true;
            });
        });
}
