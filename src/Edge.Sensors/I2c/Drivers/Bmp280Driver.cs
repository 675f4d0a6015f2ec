using Iot.Device.Bmxx80;
using Iot.Device.Bmxx80.ReadResult;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Bosch BMP280, one forced measurement a reading.</summary>
internal static class Bmp280Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "bmp280",
        "Bosch BMP280",
        [0x76, 0x77],
        [
            new("temperature", "degC", -40, 85),
            new("pressure", "hPa", 300, 1100),
        ],
        (device, _) =>
        {
            var sensor = new Bmp280(device);
            return new OpenSensor(sensor, values =>
            {
                Bmp280ReadResult result = sensor.Read();
                values[0] = result.Temperature?.DegreesCelsius ?? double.NaN;
                values[1] = result.Pressure?.Hectopascals ?? double.NaN;
                return true;
            });
        });
}
