using Edge.Inference;
using Iot.Device.Ads1115;

namespace Edge.Sensors.I2c.Drivers;

/// <summary>
/// TI ADS1115: four inputs against ground, or pairs of them; one conversion a wanted channel. <c>gain</c> is the full scale in volts.
/// </summary>
internal static class Ads1115Driver
{
    private static readonly InputMultiplexer[] Inputs =
    [
        InputMultiplexer.AIN0, InputMultiplexer.AIN1, InputMultiplexer.AIN2, InputMultiplexer.AIN3,
        InputMultiplexer.AIN0_AIN1, InputMultiplexer.AIN0_AIN3, InputMultiplexer.AIN1_AIN3, InputMultiplexer.AIN2_AIN3,
    ];

    internal static readonly I2cDriver Driver = new(
        "ads1115",
        "TI ADS1115",
        [0x48, 0x49, 0x4a, 0x4b],
        [
            .. new[]
            {
                "a0",
                "a1",
                "a2",
                "a3",
                "a0-a1",
                "a0-a3",
                "a1-a3",
                "a2-a3",
            }.Select(name => new DriverChannel(name, "V", -6.144, 6.144)),
        ],
        (device, channels, options) =>
        {
            // Single-shot mode: a continuous conversion could still be that of the previous input.
            var sensor = new Ads1115(device, Inputs[channels[0]], Range(options), DataRate.SPS475, DeviceMode.PowerDown);
            return new OpenSensor(sensor, values =>
            {
                for (int i = 0; i < channels.Length; i++)
                {
                    values[i] = sensor.ReadVoltage(Inputs[channels[i]]).Volts;
                }

                return true;
            });
        });

    private static MeasuringRange Range(DriverOptions options) => options.Gain switch
    {
        double.NaN or 4.096 => MeasuringRange.FS4096,
        6.144 => MeasuringRange.FS6144,
        2.048 => MeasuringRange.FS2048,
        1.024 => MeasuringRange.FS1024,
        0.512 => MeasuringRange.FS0512,
        0.256 => MeasuringRange.FS0256,
        _ =>
            throw new InputException(
                $"'gain' of an ads1115 is its full scale in volts, one of 6.144, 4.096, 2.048, 1.024, 0.512 and 0.256, not "
                    + $"{options.Gain}."),
    };
}
