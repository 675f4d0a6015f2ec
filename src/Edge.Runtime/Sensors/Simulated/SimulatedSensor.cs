using Edge.Runtime.Configuration;

namespace Edge.Runtime.Sensors.Simulated;

/// <summary>The seeded greenhouse as a source of readings, with the faults the configuration asks for.</summary>
internal sealed class SimulatedSensor : ISensor
{
    private readonly Greenhouse _greenhouse;
    private readonly SeededNoise _faultNoise;
    private readonly SimulatedFault[] _faults;
    private readonly int[] _order;
    private readonly double[] _values = new double[Greenhouse.Channels.Length];
    private readonly bool[] _dropped = new bool[Greenhouse.Channels.Length];
    private readonly Pacer _pacer;
    private readonly TimeSpan _period;
    private readonly DateTime _start;
    private long _ticks;
    private TimeSpan _skipped;

    /// <exception cref="InputException">The model reads a channel, or a fault names one, that the greenhouse does not have.</exception>
    internal SimulatedSensor(SimulatedConfig config, IReadOnlyList<string> columns, TimeSpan period, TimeProvider clock)
    {
        _greenhouse = new Greenhouse(config.Seed);
        _faultNoise = new SeededNoise(config.Seed ^ 0x5EED);
        _faults = config.Faults.Select(fault => new SimulatedFault(fault, Channel(fault.Channel, "A fault"), period)).ToArray();
        _order = columns.Select(column => Channel(column, "The model")).ToArray();
        _pacer = new Pacer(config.Speed, clock);
        _period = period;
        CanWait = config.Speed.IsMax;
        _start = clock.GetUtcNow().UtcDateTime;
    }

    /// <summary>At full speed the greenhouse waits like a recording; in real time it stands for the world.</summary>
    public bool CanWait { get; }

    /// <summary>The seed gives the same rows again: they are made once more and let go.</summary>
    public void Resume(long rows)
    {
        while (_ticks < rows)
        {
            Next();
        }

        _skipped = _ticks * _period;
        _pacer.StartFrom(_skipped);
    }

    public async ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel)
    {
        TimeSpan offset = _ticks * _period;
        await _pacer.WaitAsync(offset, cancel).ConfigureAwait(false);
        Next();
        into.Time = _start + (offset - _skipped);
        for (int i = 0; i < _order.Length; i++)
        {
            bool dropped = _dropped[_order[i]];
            into.Values[i] = dropped ? 0 : _values[_order[i]];
            into.Quality[i] = dropped ? Quality.Missing : Quality.Good;
        }

        return true;
    }

    private void Next()
    {
        _greenhouse.Step(_values);
        Array.Clear(_dropped);
        foreach (SimulatedFault fault in _faults)
        {
            fault.Apply(_ticks, _values, _dropped, _faultNoise);
        }

        _ticks++;
    }

    public void Dispose()
    {
    }

    private static int Channel(string name, string who)
    {
        int at = Array.IndexOf(Greenhouse.Channels, name);
        return at >= 0 ? at : throw new InputException($"{who} reads '{name}', but the simulated greenhouse has {string.Join(", ", Greenhouse.Channels)}.");
    }
}
