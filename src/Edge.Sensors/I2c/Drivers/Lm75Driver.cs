using Iot.Device.Lm75;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>LM75 and its kin, which share its temperature register; the binding rounds to a tenth of a degree.</summary>
internal static class Lm75Driver
{
    internal static IReadOnlyList<I2cDriver> Drivers { get; } =
    [
        Named("lm75", "NXP, TI LM75", -55, 125),
        Named("tmp102", "TI TMP102", -40, 125),
        Named("tmp105", "TI TMP105", -40, 125),
        Named("tmp75", "TI TMP75", -40, 125),
    ];

    private static I2cDriver Named(string name, string description, double min, double max) => I2cDriver.OfAll(
        name,
        description,
        [0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f],
        [new("temperature", "degC", min, max)],
        (device, _) =>
        {
            var sensor = new Lm75(device);
            return new OpenSensor(sensor, values =>
            {
                values[0] = sensor.Temperature.DegreesCelsius;
                return true;
            });
        });
}
