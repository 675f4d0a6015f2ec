using Iot.Device.Sht3x;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Sensirion SHT30, SHT31 and SHT35. The binding keeps its value when a checksum is wrong, so it is checked before.</summary>
internal static class Sht3xDriver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "sht3x",
        "Sensirion SHT30, SHT31, SHT35",
        [0x44, 0x45],
        [
            new("temperature", "degC", -40, 125),
            new("humidity", "%", 0, 100),
        ],
        (device, _) =>
        {
            var sensor = new Sht3x(new ChecksumDevice(device));
            return new OpenSensor(sensor, values =>
            {
                values[0] = sensor.Temperature.DegreesCelsius;
                values[1] = sensor.Humidity.Percent;
                return true;
            });
        });
}
