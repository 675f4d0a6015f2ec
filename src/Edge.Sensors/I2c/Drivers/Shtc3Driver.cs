using Iot.Device.Shtc3;
using UnitsNet;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Sensirion SHTC3, put to sleep between readings.</summary>
internal static class Shtc3Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "shtc3",
        "Sensirion SHTC3",
        [0x70],
        [
            new("temperature", "degC", -40, 125),
            new("humidity", "%", 0, 100),
        ],
        (device, _) =>
        {
            var sensor = new Shtc3(new ChecksumDevice(device));
            return new OpenSensor(sensor, values =>
            {
                bool isValid = sensor.TryGetTemperatureAndHumidity(out Temperature temperature, out RelativeHumidity humidity);
                sensor.Sleep();
                values[0] = isValid ? Unwrap(temperature.DegreesCelsius) : double.NaN;
                values[1] = isValid ? humidity.Percent : double.NaN;
                return true;
            });
        });

    // The binding takes the sensor's 16 bits, of which 0 is -45 and 65536 would be 130 degC, for signed: from 42.5 degC on it is 175 too
    // low.
    private static double Unwrap(double celsius) => celsius < -45 ? celsius + 175 : celsius;
}
