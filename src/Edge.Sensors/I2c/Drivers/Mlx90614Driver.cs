using Iot.Device.Mlx90614;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Melexis MLX90614: its own temperature and that of the object in view.</summary>
internal static class Mlx90614Driver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "mlx90614",
        "Melexis MLX90614",
        [0x5a],
        [
            new("ambient", "degC", -40, 125),
            new("object", "degC", -70, 382.2),
        ],
        (device, _) =>
        {
            var sensor = new Mlx90614(device);
            return new OpenSensor(sensor, values =>
            {
                values[0] = sensor.ReadAmbientTemperature().DegreesCelsius;
                values[1] = sensor.ReadObjectTemperature().DegreesCelsius;
                return true;
            });
        });
}
