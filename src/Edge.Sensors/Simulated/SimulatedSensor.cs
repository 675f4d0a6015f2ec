using System.Globalization;
using Edge.Inference;
using Edge.Sensors.Timing;
using Edge.Streams;

namespace Edge.Sensors.Simulated;

/// <summary>A simulated plant as a source of readings, with the faults the configuration asks for, and the truth about them.</summary>
internal sealed class SimulatedSensor : ISensor
{
    private readonly SimulatedPlant _plant;
    private readonly SeededNoise _faultNoise;
    private readonly SimulatedFault[] _faults;
    private readonly int[] _order;
    private readonly double[] _values;
    private readonly bool[] _dropped;
    private readonly StreamWriter? _truth;
    private readonly Pacer _pacer;
    private readonly TimeSpan _period;
    private readonly DateTime _start;
    private long _ticks;
    private TimeSpan _skipped;
    private RestartGap _gap;

    /// <exception cref="InputException">
    /// The model reads a channel, or a fault names one, that the plant does not have; or the truth cannot be written.
    /// </exception>
    internal SimulatedSensor(
        SimulatedOptions config,
        SimulatedPlant plant,
        IReadOnlyList<string> columns,
        TimeSpan period,
        TimeProvider clock)
    {
        _plant = plant;
        _values = new double[plant.Channels.Count];
        _dropped = new bool[plant.Channels.Count];
        _faultNoise = new SeededNoise(config.Seed ^ 0x5EED);
        _faults = config.Faults.Select(
            fault => new SimulatedFault(fault, Channel(fault.Channel, "A fault"), plant.TypicalStd, period)).ToArray();
        _order = columns.Select(column => Channel(column, "The model")).ToArray();
        _pacer = new Pacer(config.Speed, clock);
        _period = period;
        _start = clock.GetUtcNow().UtcDateTime;
        _truth = config.TruthFile is { } file ? OpenTruth(file) : null;
    }

    /// <summary>At full speed a simulated plant waits like a recording; in real time it does not wait, like a live source.</summary>
    public SourceKind Kind => _pacer.IsUnpaced ? SourceKind.Unpaced : SourceKind.Live;

    /// <summary>The seed gives the same rows again: they are computed again and skipped.</summary>
    public void Resume(long rows, DateTime lastTime)
    {
        while (_ticks < rows)
        {
            Next();
        }

        _skipped = _ticks * _period;
        _pacer.StartFrom(_skipped);
        if (Kind == SourceKind.Live)
        {
            _gap.Note(lastTime);
        }
    }

    public async ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel)
    {
        TimeSpan offset = _ticks * _period;
        await _pacer.WaitAsync(offset, cancel).ConfigureAwait(false);
        Next();
        into.Time = _start + (offset - _skipped);
        into.SkippedTicks = _gap.Take(into.Time, _period) ?? 0;
        WriteTruth(into.Time);
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
        _plant.Step(_values);
        Array.Clear(_dropped);
        foreach (SimulatedFault fault in _faults)
        {
            fault.Apply(_ticks, _values, _dropped, _faultNoise);
        }

        _ticks++;
    }

    public void Dispose() => _truth?.Dispose();

    // time, anomaly (0 or 1), and the fault: labels for edge-runtime score.
    private void WriteTruth(DateTime time)
    {
        if (_truth is null)
        {
            return;
        }

        // Next() has moved on.
        SimulatedFault[] active = [.. _faults.Where(fault => fault.IsActive(_ticks - 1))];
        string stamp = time.ToString(Timestamp.Format, CultureInfo.InvariantCulture);
        string kinds = string.Join(' ', active.Select(fault => fault.Kind));
        string channels = string.Join(' ', active.Select(fault => fault.ChannelName));
        _truth.WriteLine($"{stamp},{(active.Length > 0 ? 1 : 0)},{kinds},{channels}");
    }

    private static StreamWriter OpenTruth(string file)
    {
        try
        {
            var truth = new StreamWriter(file) { NewLine = "\n" };
            truth.WriteLine("time,anomaly,kind,channel");
            return truth;
        }
        catch (Exception e) when (FileFault.Is(e))
        {
            throw FileFault.Unwritable(file, e, "The truth");
        }
    }

    private int Channel(string name, string who)
    {
        for (int i = 0; i < _plant.Channels.Count; i++)
        {
            if (_plant.Channels[i] == name)
            {
                return i;
            }
        }

        throw new InputException($"{who} reads '{name}', but the simulated {_plant.Name} has {string.Join(", ", _plant.Channels)}.");
    }
}
