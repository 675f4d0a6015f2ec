using Edge.Sensors.Timing;
using Iot.Device.Scd4x;
using UnitsNet;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>
/// Sensirion SCD40 and SCD41, which measure every five seconds. The binding would wait for a measurement and block the bus;
/// here the last value is returned until the next is due, and none before the first.
/// </summary>
internal static class Scd4xDriver
{
    internal static readonly I2cDriver Driver = I2cDriver.OfAll(
        "scd4x",
        "Sensirion SCD40, SCD41",
        [0x62],
        [
            new("co2", "ppm", 1, 40000),
            new("temperature", "degC", -10, 60),
            new("humidity", "%", 0, 100),
        ],
        (device, _) =>
        {
            var sensor = new Scd4x(new ChecksumDevice(device));
            sensor.StartPeriodicMeasurements();
            long nextAt = Due();
            double co2 = double.NaN;
            double temperature = double.NaN;
            double humidity = double.NaN;
            bool hasMeasured = false;
            return new OpenSensor(sensor, values =>
            {
                if (Environment.TickCount64 >= nextAt)
                {
                    (VolumeConcentration? gas, RelativeHumidity? damp, Temperature? warmth) = sensor.ReadPeriodicMeasurement();
                    (co2, temperature, humidity) = (
                        gas?.PartsPerMillion ?? double.NaN,
                        warmth?.DegreesCelsius ?? double.NaN,
                        damp?.Percent ?? double.NaN);
                    nextAt = Due();
                    hasMeasured = true;
                }

                (values[0], values[1], values[2]) = (co2, temperature, humidity);
                return hasMeasured;
            });
        })
    with
    { Timeout = TimeSpan.FromSeconds(3) };

    // A little later than the sensor, whose clock is its own.
    private static long Due() => Environment.TickCount64 + (long)Scd4x.MeasurementPeriod.TotalMilliseconds + 100;
}
