using Edge.Inference.Models;

namespace Edge.Sensors.Simulated;

/// <summary>
/// The columns of any model, each around its mean with its standard deviation: a day's course, or a machine's cycle of running
/// up, working, running down and resting. Channels follow one another by a tenth of a turn; slow and fast noise on top. A column of
/// symbols has the next one after each turn.
/// </summary>
internal sealed class ShapedPlant : SimulatedPlant
{
    private const double TurnsBetweenChannels = 0.1;
    private const double Amplitude = 1.3;
    private const double SlowRate = 0.02;
    private const double SlowNoise = 0.03;
    private const double FastNoise = 0.1;

    private readonly ModelManifest _manifest;
    private readonly bool _isCycle;
    private readonly double _turnsPerTick;
    private readonly SeededNoise _noise;
    private readonly double[] _slow;
    private double _turns;

    internal ShapedPlant(SimulatedOptions config, ModelManifest manifest, TimeSpan period)
        : base(config.Shape.ToString().ToLowerInvariant(), manifest.Columns, manifest.Std)
    {
        _manifest = manifest;
        _isCycle = config.Shape == SimulatedShape.Cycle;
        _turnsPerTick = period / (config.Turn ?? (_isCycle ? 60 * period : TimeSpan.FromDays(1)));
        _noise = new SeededNoise(config.Seed);
        _slow = new double[manifest.Columns.Count];
        _turns = _noise.Uniform();
    }

    internal override void Step(Span<double> values)
    {
        _turns += _turnsPerTick;
        for (int i = 0; i < values.Length; i++)
        {
            _slow[i] += (-SlowRate * _slow[i]) + (SlowNoise * _noise.Normal());
            double turns = _turns - (i * TurnsBetweenChannels);
            double shape = _isCycle ? Cycle(turns - Math.Floor(turns)) : SeededNoise.Sine(turns);
            values[i] = _manifest.Mean[i] + (_manifest.Std[i] * ((Amplitude * shape) + _slow[i] + (FastNoise * _noise.Normal())));
        }

        if (_manifest.SymbolColumn is >= 0 and int symbol)
        {
            values[symbol] = Math.Floor(_turns) % _manifest.SymbolCount;
        }
    }

    // A tenth of a turn up, four working with a ripple, a tenth down, the rest at rest: between -1 and 1.
    private static double Cycle(double turn) => turn switch
    {
        < 0.1 => -1 + (20 * turn),
        < 0.5 => 1 + (0.1 * SeededNoise.Sine(20 * turn)),
        < 0.6 => 1 - (20 * (turn - 0.5)),
        _ => -1,
    };
}
