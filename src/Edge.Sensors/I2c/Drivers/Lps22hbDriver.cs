using Iot.Device.Lps22hb;
using UnitsNet;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>ST LPS22HB.</summary>
internal static class Lps22hbDriver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "lps22hb",
        "ST LPS22HB",
        [0x5c, 0x5d],
        [
            new("pressure", "hPa", 260, 1260),
            new("temperature", "degC", -40, 85),
        ],
        (device, _) =>
        {
            var sensor = new Lps22hb(device);
            return new OpenSensor(sensor, values =>
            {
                values[0] = sensor.TryReadPressure(out Pressure pressure) ? pressure.Hectopascals : double.NaN;
                values[1] = sensor.TryReadTemperature(out Temperature temperature) ? temperature.DegreesCelsius : double.NaN;
                return true;
            });
        });
}
