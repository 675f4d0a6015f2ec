using Iot.Device.Bmxx80;
using Iot.Device.Bmxx80.ReadResult;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Bosch BME280, one forced measurement a reading. A channel that was skipped is not valid.</summary>
internal static class Bme280Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "bme280",
        "Bosch BME280",
        [0x76, 0x77],
        [
            new("temperature", "degC", -40, 85),
            new("humidity", "%", 0, 100),
            new("pressure", "hPa", 300, 1100),
        ],
        (device, _) =>
        {
            var sensor = new Bme280(device);
            return new OpenSensor(sensor, values =>
            {
                Bme280ReadResult result = sensor.Read();
                values[0] = result.Temperature?.DegreesCelsius ?? double.NaN;
                values[1] = result.Humidity?.Percent ?? double.NaN;
                values[2] = result.Pressure?.Hectopascals ?? double.NaN;
                return true;
            });
        });
}
