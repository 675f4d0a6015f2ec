namespace Edge.Benchmarks;

/// <summary>
/// Simulated channels without a fault, of kinds made after the detector was designed. They have been looked at since: a machine that is on
/// by day became one recording, and the factor of the end of an average was chosen on them. The same seed gives the same rows.
/// </summary>
internal sealed class UnseenPlants
{
    private readonly Random _random;
    private readonly double _day;
    private readonly double[] _state = new double[8];
    private int _row;
    private int _left;
    private int _mode;

    private UnseenPlants(int seed, double day) => (_random, _day) = (new Random(seed), day);

    /// <summary>
    /// A tank that is filled when it is low; a room with a thermostat; a batch process of four steps; a wind turbine; solar panels beside
    /// clouds; rain and a river; values without decimals; a machine that is on by day; eight coupled channels; two sudden levels that stay;
    /// a particle counter; changes that come in bursts.
    /// </summary>
    internal static readonly string[] Kinds =
        ["tank", "thermostat", "batch", "wind", "solar", "river", "rounded", "workdays", "coupled", "levels", "particles", "bursts"];

    /// <summary>Rows of a kind: [rows][channels].</summary>
    /// <param name="kind">One of <see cref="Kinds"/>.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="seed">Seed.</param>
    /// <param name="day">Rows of a day.</param>
    internal static double[][] Rows(string kind, int count, int seed, double day)
    {
        var plants = new UnseenPlants(seed, day);
        Func<double[]> next = kind switch
        {
            "tank" => plants.Tank,
            "thermostat" => plants.Thermostat,
            "batch" => plants.Batch,
            "wind" => plants.Wind,
            "solar" => plants.Solar,
            "river" => plants.River,
            "rounded" => plants.Rounded,
            "workdays" => plants.Workdays,
            "coupled" => plants.Coupled,
            "levels" => plants.Levels,
            "particles" => plants.Particles,
            _ => plants.Bursts,
        };
        var rows = new double[count][];
        for (; plants._row < count; plants._row++)
        {
            rows[plants._row] = next();
        }

        return rows;
    }

    private double Turn => Math.Sin(2 * Math.PI * _row / _day);

    private double[] Tank()
    {
        _state[0] = _row == 0 ? 50 : _state[0];
        _mode = _state[0] < 20 ? 1 : _state[0] > 80 ? 0 : _mode;
        _state[0] += (2 * _mode) - 0.5 - (0.3 * Turn) - Normal(0.1);
        return [_state[0] + Normal(0.2), _mode * (5 + Normal(0.1))];
    }

    private double[] Thermostat()
    {
        double outside = 5 + (5 * Turn) + Walk(1, 0.995, 0.1);
        _state[0] = _row == 0 ? 20 : _state[0];
        _mode = _state[0] < 19.5 ? 1 : _state[0] > 20.5 ? 0 : _mode;
        _state[0] += (0.12 * _mode) - (0.003 * (_state[0] - outside));
        return [Math.Round(_state[0] + Normal(0.03), 2), Math.Round(outside, 1), _mode];
    }

    private double[] Batch()
    {
        if (_left-- <= 0)
        {
            _mode = (_mode + 1) % 4;
            _left = _mode == 0 ? _random.Next(60, 120) : _random.Next(30, 40);
            _state[2] = 1 + Normal(0.05);
        }

        _state[0] += 0.1 * ((_state[2] * (_mode switch { 0 => 20, 1 => 80, 2 => 140, _ => 60 })) - _state[0]);
        _state[1] += 0.05 * (_state[0] - _state[1]);
        return [_state[0] + Normal(0.5), _state[1] + Normal(0.5), (_mode switch { 1 => 6, 2 => 10, _ => 1 }) + Normal(0.1)];
    }

    private double[] Wind()
    {
        double wind = 8 * Math.Exp(0.4 * Walk(0, 0.99, 0.14));
        double power = 1000 * Math.Min(1, Math.Pow(wind / 12, 3));
        _state[1] += 0.05 * ((0.04 * power) + 20 - _state[1]);
        return [wind + Normal(0.3), power + Normal(10), _state[1] + Normal(0.3)];
    }

    private double[] Solar()
    {
        if (_random.NextDouble() < 0.02)
        {
            _state[0] = _random.NextDouble() < 0.5 ? 1 : 0.2 + (0.6 * _random.NextDouble());
        }

        double sun = 1000 * Math.Max(0, Turn) * _state[0];
        return [sun + Math.Abs(Normal(2)), 0.2 * sun * (1 + Normal(0.01)), 15 + Walk(1, 0.999, 0.05) + (0.03 * sun) + Normal(0.2)];
    }

    private double[] River()
    {
        if (_random.NextDouble() < 0.002)
        {
            _left = (int)(-60 * Math.Log(1 - _random.NextDouble()));
            _state[0] = Math.Exp(Normal(1));
        }

        double rain = _left-- > 0 ? _state[0] * Math.Exp(Normal(0.3)) : 0;
        _state[1] = (0.99 * _state[1]) + rain;
        return [Math.Round(rain, 1), 10 + (0.1 * _state[1]) + Normal(0.05)];
    }

    private double[] Rounded()
    {
        double walk = Walk(0, 0.9995, 0.02);
        return [Math.Round(21 + walk + (0.6 * Turn), 1), Math.Round(45 - (2 * walk) + Normal(0.5))];
    }

    // The rows begin on a Monday.
    private double[] Workdays()
    {
        double days = _row / _day;
        double hour = 24 * (days - Math.Floor(days));
        bool isOn = Math.Floor(days) % 7 < 5 && hour is > 7 and < 17;
        return [(isOn ? 50 : 10) + Walk(0, 0.95, 0.3) + Normal(1)];
    }

    private double[] Coupled()
    {
        double slow = Walk(0, 0.999, 0.05);
        double middle = Walk(1, 0.98, 0.2);
        double fast = Walk(2, 0.8, 0.6);
        return
        [
            .. Enumerable.Range(0, 8)
                .Select(k => (slow * ((k % 3) - 1)) + (middle * ((k % 2) + 0.5)) + (fast * (k - 4) / 4) + Normal(0.2)),
        ];
    }

    private double[] Levels()
    {
        _state[1] = _random.NextDouble() < 0.0005 ? Normal(3) : _state[1];
        _state[0] += 0.1 * (_state[1] - _state[0]);
        return [_state[0] + Normal(0.2), (2 * _state[0]) + Normal(0.2)];
    }

    private double[] Particles()
    {
        double walk = Walk(0, 0.995, 0.1);
        _state[1] = 0.9 * (_random.NextDouble() < 0.003 ? 2 + (2 * _random.NextDouble()) : _state[1]);
        return [Math.Round(Math.Exp(2 + (0.5 * walk) + _state[1] + Normal(0.1))), 20 + walk + Normal(0.1)];
    }

    // The variance follows the last changes: Bollerslev, "Generalized autoregressive conditional heteroskedasticity" (1986).
    private double[] Bursts()
    {
        _state[1] = 0.02 + (0.1 * _state[0] * _state[0]) + (0.88 * _state[1]);
        _state[0] = Normal(Math.Sqrt(_state[1]));
        _state[2] = (0.9 * _state[2]) + _state[0];
        return [_state[2]];
    }

    private double Walk(int at, double retained, double deviation) => _state[at] = (retained * _state[at]) + Normal(deviation);

    private double Normal(double deviation) =>
        deviation * Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());
}
