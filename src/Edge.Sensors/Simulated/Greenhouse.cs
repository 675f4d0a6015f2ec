namespace Edge.Sensors.Simulated;

/// <summary>
/// A bench-top greenhouse whose day lasts ten minutes: sun and clouds, a heater with hysteresis, a vent that opens on heat,
/// plants that take up CO2 in the light. Seeded: the same seed gives the same readings on every machine. docs/demo.md.
/// </summary>
internal sealed class Greenhouse : SimulatedPlant
{
    /// <summary>Seconds from one step to the next.</summary>
    internal const double StepSeconds = 0.2;

    /// <summary>Channel names, in the order of <see cref="Step"/>.</summary>
    internal static readonly string[] ChannelNames = ["temperature", "humidity", "light", "co2"];

    /// <summary>Their units.</summary>
    internal static readonly string[] Units = ["degC", "%RH", "klx", "ppm"];

    private const double DaySeconds = 600;

    // Standard deviation of each sensor's own noise.
    private static readonly double[] SensorNoise = [0.05, 0.15, 0.15, 1.5];

    private readonly SeededNoise _noise;
    private double _seconds;
    private double _cloud;
    private double _air = 20;
    private double _water = 12;
    private double _co2 = 500;
    private double _vent;
    private bool _heating;

    internal Greenhouse(int seed)
        : base("greenhouse", ChannelNames, [2.1, 3.2, 11.5, 310.0])
    {
        _noise = new SeededNoise(seed);
        _seconds = DaySeconds * _noise.Uniform();

        // A minute and a half to settle before the first reading.
        var settling = new double[ChannelNames.Length];
        for (int i = 0; i < 450; i++)
        {
            Step(settling);
        }
    }

    /// <summary>Moves on by <see cref="StepSeconds"/> and reads the sensors: degC, %RH, klx, ppm.</summary>
    internal override void Step(Span<double> values)
    {
        _seconds += StepSeconds;
        _cloud += StepSeconds * ((-_cloud / 25) + (0.16 * _noise.Normal()));
        double sun = Math.Max(0, SeededNoise.Sine(_seconds / DaySeconds));
        double light = 1 + (32 * sun / (1 + Square(1.2 * _cloud)));
        double outside = 12 + (6 * SeededNoise.Sine((_seconds / DaySeconds) - 0.1));

        _heating = _heating ? _air < 21 : _air < 19;
        double ventTarget = Math.Clamp((_air - 24) / 3, 0, 1);
        _vent += StepSeconds * (ventTarget - _vent) / 4;

        _air += StepSeconds * (((outside - _air) * (0.012 + (0.10 * _vent))) + (0.009 * light) + (_heating ? 0.28 : 0));
        double saturation = 5.0 + (0.6 * (_air - 4)) + (0.012 * Square(_air - 10));
        _water += StepSeconds * ((0.02 + (0.0025 * light)) * (saturation - _water) - ((0.01 + (0.09 * _vent)) * (_water - 6.5)));
        _co2 += StepSeconds * ((8.0 * (1 - (light / 18))) + ((420 - _co2) * (0.01 + (0.1 * _vent))));

        values[0] = _air + (SensorNoise[0] * _noise.Normal());
        values[1] = Math.Clamp((100 * _water / saturation) + (SensorNoise[1] * _noise.Normal()), 0, 100);
        values[2] = Math.Max(0, light + (SensorNoise[2] * _noise.Normal()));
        values[3] = Math.Max(150, _co2 + (SensorNoise[3] * _noise.Normal()));
    }

    private static double Square(double value) => value * value;
}
