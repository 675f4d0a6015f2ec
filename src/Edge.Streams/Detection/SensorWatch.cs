namespace Edge.Streams.Detection;

/// <summary>
/// Finds sensors that return no value, or the same value at every tick; abnormal from 1 on. The usual number of repetitions is the
/// longest run of equal values so far, that of the calibration rows included; of a machine that rests at one value, and measures at others,
/// each has its own. A channel that never changed is not stuck, nor is one of symbols.
/// </summary>
/// <param name="columns">Number of channels.</param>
/// <param name="symbolColumn">The channel of symbols; -1 for none.</param>
internal sealed class SensorWatch(int columns, int symbolColumn)
{
    // Ticks without a value that are abnormal; fewer are usual.
    private const int SilentTicks = 3;
    private const int RepeatTicksMin = 12;
    private const int RepeatFactor = 4;
    private const int LearnTicks = 100;

    private readonly double[] _last = new double[columns];
    private readonly float[] _ratio = new float[columns];
    private readonly bool[] _hasReturned = new bool[columns];
    private readonly int[] _same = new int[columns];
    private readonly int[] _longest = new int[columns];

    // Where a machine rests, NaN if it does not; and the longest run of equal values elsewhere.
    private readonly double[] _rest = [.. Enumerable.Repeat(double.NaN, columns)];
    private readonly double[] _restWidth = new double[columns];
    private readonly ushort[] _longestElsewhere = new ushort[columns];
    private readonly int[] _silent = new int[columns];
    private readonly int[] _seen = new int[columns];

    // When the present runs began, in ticks of DateTime; 0 if that is not known.
    private readonly long[] _silentSince = new long[columns];
    private readonly long[] _sameSince = new long[columns];

    /// <summary>Ticks without a value, or with the same one, over the limit, of each channel.</summary>
    internal ReadOnlySpan<float> Ratios => _ratio;

    /// <summary>Whether each channel measures again with this row, after too many without a value or with the same one.</summary>
    internal ReadOnlySpan<bool> HasReturned => _hasReturned;

    /// <summary>Longest run of equal values of each channel, in readings; 0 while it has never changed.</summary>
    internal Span<int> Longest => _longest;

    /// <summary>A channel rests at a value, give or take a width, and measures elsewhere.</summary>
    internal void SetRest(int column, double value, double width, int longestElsewhere)
    {
        (_rest[column], _restWidth[column]) = (value, width);
        _longestElsewhere[column] = Capped(longestElsewhere);
    }

    internal void Archive(StreamSnapshot snapshot)
    {
        snapshot.Fields<double>(_last);
        snapshot.Fields<int>(_same);
        snapshot.Fields<int>(_longest);
        snapshot.Fields<int>(_silent);
        snapshot.Fields<int>(_seen);
    }

    /// <summary>Reads or writes since when the present runs have lasted.</summary>
    internal void ArchiveTimes(StreamSnapshot snapshot)
    {
        snapshot.Fields<long>(_silentSince);
        snapshot.Fields<long>(_sameSince);
    }

    /// <summary>Reads or writes the longest runs elsewhere than where machines rest.</summary>
    internal void ArchiveElsewhere(StreamSnapshot snapshot) => snapshot.Fields<ushort>(_longestElsewhere);

    /// <summary>Adds a row, with held values marked.</summary>
    internal void Observe(Reading reading)
    {
        for (int i = 0; i < _last.Length; i++)
        {
            bool hasFailed = _silent[i] >= SilentTicks || IsStuck(i);
            if (!reading.Quality[i].IsMeasured())
            {
                // A channel is not silent before its first value.
                _silentSince[i] = _silent[i] == 0 ? reading.Time.Ticks : _silentSince[i];
                _silent[i] += _seen[i] > 0 ? 1 : 0;
            }
            else
            {
                _silent[i] = 0;
                Repeat(i, reading.Values[i], reading.Time);
            }

            _ratio[i] = _silent[i] > 0 ? (float)_silent[i] / SilentTicks
                : _same[i] > 0 && IsJudged(i) ? (float)_same[i] / RepeatLimit(i)
                : 0;
            _hasReturned[i] = hasFailed && _ratio[i] < 1;
        }
    }

    // Adds a measured value of a channel.
    private void Repeat(int column, double value, DateTime time)
    {
        _seen[column]++;
        if (column == symbolColumn)
        {
            return;
        }

        if (_seen[column] == 1)
        {
            _last[column] = value;
            return;
        }

        if (value.Equals(_last[column]))
        {
            _sameSince[column] = _same[column]++ == 0 ? time.Ticks : _sameSince[column];
            return;
        }

        // A run that was too long and ended by itself is usual when it comes again.
        int usual = IsStuck(column) ? _same[column] / RepeatFactor : _same[column];
        if (MeasuresAt(column, _last[column]))
        {
            _longestElsewhere[column] = Math.Max(_longestElsewhere[column], Capped(usual + 1));
        }
        else
        {
            _longest[column] = Math.Max(_longest[column], usual + 1);
        }

        _same[column] = 0;
        _last[column] = value;
    }

    /// <summary>
    /// How far a row, directly before it is observed, is from the column's last value, in its unit; NaN where either is missing.
    /// </summary>
    internal double Change(int column, Reading reading) => reading.Quality[column].IsMeasured() && _silent[column] == 0 && _seen[column] > 0
        ? reading.Values[column] - _last[column]
        : double.NaN;

    /// <summary>Whether the column repeats a value, rather than returning none.</summary>
    internal bool IsStuck(int column) => _silent[column] == 0 && IsJudged(column) && _same[column] >= RepeatLimit(column);

    /// <summary>
    /// Time of the first row without a value, or of the first that repeated the one before, UTC; null if it is not known.
    /// </summary>
    internal DateTime? Since(int column)
    {
        long ticks = _silent[column] > 0 ? _silentSince[column] : _sameSince[column];
        return ticks > 0 && ticks <= DateTime.MaxValue.Ticks ? new DateTime(ticks, DateTimeKind.Utc) : null;
    }

    /// <summary>Ticks for which the column had no value, or the same one.</summary>
    internal int Ticks(int column) => Math.Max(_silent[column], _same[column]);

    private bool IsJudged(int column) => _seen[column] > LearnTicks && _longest[column] > 0;

    private int RepeatLimit(int column)
    {
        long longest = MeasuresAt(column, _last[column]) ? _longestElsewhere[column] : _longest[column];
        return (int)Math.Max(RepeatTicksMin, Math.Min(int.MaxValue, RepeatFactor * (longest - 1)));
    }

    // False where the channel rests, and everywhere in one that does not.
    private bool MeasuresAt(int column, double value) => Math.Abs(value - _rest[column]) > _restWidth[column];

    private static ushort Capped(int rows) => (ushort)Math.Min(rows, ushort.MaxValue);
}
