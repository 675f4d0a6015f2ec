namespace Edge.Streams.Detection;

/// <summary>
/// Sensors that say nothing, or always the same: 1 is where it stops being usual. How often a channel repeats itself by nature is
/// learned from its longest run of equal values.
/// </summary>
internal sealed class SensorWatch(int columns)
{
    // Ticks without a value; fewer are a hiccup.
    private const int SilentTicks = 3;
    private const int RepeatTicksMin = 12;
    private const int RepeatFactor = 4;
    private const int LearnTicks = 100;

    private readonly double[] _last = new double[columns];
    private readonly int[] _same = new int[columns];
    private readonly int[] _longest = new int[columns];
    private readonly int[] _silent = new int[columns];
    private readonly int[] _seen = new int[columns];

    internal double Value { get; private set; }

    internal void Archive(StreamSnapshot snapshot)
    {
        Value = snapshot.Field(Value);
        snapshot.Fields<double>(_last);
        snapshot.Fields<int>(_same);
        snapshot.Fields<int>(_longest);
        snapshot.Fields<int>(_silent);
        snapshot.Fields<int>(_seen);
    }

    /// <summary>Takes a row, held values marked as such.</summary>
    internal void Observe(Reading reading)
    {
        Value = 0;
        for (int i = 0; i < _last.Length; i++)
        {
            if (!reading.Quality[i].IsMeasured())
            {
                // Before its first value a channel is not silent, only late.
                _silent[i] += _seen[i] > 0 ? 1 : 0;
            }
            else
            {
                _silent[i] = 0;
                _seen[i]++;
                if (reading.Values[i].Equals(_last[i]))
                {
                    _same[i]++;
                }
                else
                {
                    // Only a run that is over, and was usual, says how long runs usually are.
                    _longest[i] = IsStuck(i) ? _longest[i] : Math.Max(_longest[i], _same[i]);
                    _same[i] = 0;
                    _last[i] = reading.Values[i];
                }
            }

            Value = Math.Max(Value, Part(i));
        }
    }

    /// <summary>A column's own value.</summary>
    internal double Part(int column) => Math.Max(
        (double)_silent[column] / SilentTicks,
        _seen[column] > LearnTicks ? (double)_same[column] / RepeatLimit(column) : 0);

    /// <summary>Whether a column repeats itself, rather than saying nothing.</summary>
    internal bool IsStuck(int column) => _silent[column] == 0 && _seen[column] > LearnTicks && _same[column] >= RepeatLimit(column);

    /// <summary>Ticks that a column has been silent, or the same.</summary>
    internal int Ticks(int column) => Math.Max(_silent[column], _same[column]);

    private int RepeatLimit(int column) => Math.Max(RepeatTicksMin, RepeatFactor * _longest[column]);
}
