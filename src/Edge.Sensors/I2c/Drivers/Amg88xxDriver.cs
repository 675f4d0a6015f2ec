using Iot.Device.Amg88xx;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>Panasonic Grid-EYE AMG88xx: mean, coldest and hottest of its 8x8 pixels, and its own temperature.</summary>
internal static class Amg88xxDriver
{
    private const double DegreesPerCount = 0.25;

    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "amg88xx",
        "Panasonic AMG8833, AMG8834",
        [0x69, 0x68],
        [
            new("mean", "degC", -20, 100),
            new("min", "degC", -20, 100),
            new("max", "degC", -20, 100),
            new("sensor", "degC", -20, 80),
        ],
        (device, _) =>
        {
            var sensor = new Amg88xx(device);
            return new OpenSensor(sensor, values =>
            {
                sensor.ReadImage();
                double sum = 0;
                double min = double.PositiveInfinity;
                double max = double.NegativeInfinity;
                for (int pixel = 0; pixel < Amg88xx.PixelCount; pixel++)
                {
                    // Twelve bits, two's complement.
                    double value = (short)(sensor[pixel] << 4) / 16 * DegreesPerCount;
                    sum += value;
                    min = Math.Min(min, value);
                    max = Math.Max(max, value);
                }

                (values[0], values[1], values[2]) = (sum / Amg88xx.PixelCount, min, max);
                values[3] = sensor.SensorTemperature.DegreesCelsius;
                return true;
            });
        });
}
