namespace Edge.Streams.Detection;

/// <summary>
/// Finds sensors that return no value, or the same value at every tick; abnormal from 1 on. The usual number of repetitions is
/// learned from the longest run of equal values.
/// </summary>
internal sealed class SensorWatch(int columns)
{
    // Ticks without a value that are abnormal; fewer are usual.
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

    /// <summary>Adds a row, with held values marked.</summary>
    internal void Observe(Reading reading)
    {
        Value = 0;
        for (int i = 0; i < _last.Length; i++)
        {
            if (!reading.Quality[i].IsMeasured())
            {
                // A channel is not silent before its first value.
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
                    // Learn only from a run that has ended and was usual.
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

    /// <summary>Whether the column repeats a value, rather than returning none.</summary>
    internal bool IsStuck(int column) => _silent[column] == 0 && _seen[column] > LearnTicks && _same[column] >= RepeatLimit(column);

    /// <summary>Ticks for which the column had no value, or the same one.</summary>
    internal int Ticks(int column) => Math.Max(_silent[column], _same[column]);

    private int RepeatLimit(int column) => Math.Max(RepeatTicksMin, RepeatFactor * _longest[column]);
}
