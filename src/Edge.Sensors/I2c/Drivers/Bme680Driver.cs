using Iot.Device.Bmxx80;
using Iot.Device.Bmxx80.ReadResult;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Bosch BME680 and BME688 with the heater at 320 degC for 150 ms; gas is the resistance of its layer.</summary>
internal static class Bme680Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "bme680",
        "Bosch BME680, BME688",
        [0x76, 0x77],
        [
            new("temperature", "degC", -40, 85),
            new("humidity", "%", 0, 100),
            new("pressure", "hPa", 300, 1100),
            new("gas", "Ohm", 0, 100000000.0),
        ],
        (device, _) =>
        {
            var sensor = new Bme680(device);
            return new OpenSensor(sensor, values =>
            {
                Bme680ReadResult result = sensor.Read();
                values[0] = result.Temperature?.DegreesCelsius ?? double.NaN;
                values[1] = result.Humidity?.Percent ?? double.NaN;
                values[2] = result.Pressure?.Hectopascals ?? double.NaN;
                values[3] = result.GasResistance?.Ohms ?? double.NaN;
                return true;
            });
        }) with
    { Timeout = TimeSpan.FromSeconds(2) };
}
