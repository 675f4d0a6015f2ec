using Iot.Device.Sht4x;
using UnitsNet;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Sensirion SHT40, SHT41 and SHT45.</summary>
internal static class Sht4xDriver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "sht4x",
        "Sensirion SHT40, SHT41, SHT45",
        [0x44, 0x45, 0x46],
        [
            new("temperature", "degC", -40, 125),
            new("humidity", "%", 0, 100),
        ],
        (device, _) =>
        {
            var sensor = new Sht4x(new ChecksumDevice(device));
            return new OpenSensor(sensor, values =>
            {
                (RelativeHumidity? humidity, Temperature? temperature) = sensor.ReadHumidityAndTemperature();
                values[0] = temperature?.DegreesCelsius ?? double.NaN;
                values[1] = humidity?.Percent ?? double.NaN;
                return true;
            });
        });
}
