namespace Edge.Streams.Forecasting;

/// <summary>
/// Seasonal baseline: the forecast of each column is its value one season ago, at any horizon up to a season. A model that is worse
/// than this has learned less than the season.
/// </summary>
internal sealed class SeasonalBaseline
{
    /// <summary>Longest season, in ticks. It is limited because all values of a season are part of every snapshot.</summary>
    internal const int TicksMax = 2000;

    private readonly float[] _values;
    private readonly int _columns;
    private readonly int _ticks;

    /// <param name="columns">Columns of a row.</param>
    /// <param name="ticks">Ticks of a season, 2..<see cref="TicksMax"/>; 0 for none.</param>
    internal SeasonalBaseline(int columns, int ticks)
    {
        _columns = columns;
        _ticks = ticks;
        _values = new float[columns * ticks];
        Array.Fill(_values, float.NaN);
    }

    /// <summary>The default season in ticks: a day, if that is a possible number of ticks, else 0.</summary>
    internal static int DefaultTicks(TimeSpan period)
    {
        double ticks = TimeSpan.FromDays(1) / period;
        return ticks is >= 2 and <= TicksMax && Math.Abs(ticks - Math.Round(ticks)) < 1e-6 ? (int)Math.Round(ticks) : 0;
    }

    /// <summary>A column's normalized value a season before tick <paramref name="seq"/>; NaN where there was none.</summary>
    internal float Before(long seq, int column) => _ticks == 0 ? float.NaN : _values[((int)(seq % _ticks) * _columns) + column];

    /// <summary>Stores a column's normalized value for one season; NaN if none was measured.</summary>
    internal void Keep(long seq, int column, float value)
    {
        if (_ticks > 0)
        {
            _values[((int)(seq % _ticks) * _columns) + column] = value;
        }
    }

    /// <summary>Rows were missed after tick <paramref name="seq"/>; they have no numbers, but a season counts them.</summary>
    internal void Skip(long seq, long missed)
    {
        if (_ticks == 0)
        {
            return;
        }

        float[] before = [.. _values];
        for (int at = 0; at < _ticks; at++)
        {
            // Of the last season, what lies ahead of the next tick is still to come back; what was missed never does.
            long slot = (seq + 1 + at) % _ticks;
            bool isKnown = at + missed < _ticks;
            ReadOnlySpan<float> from = before.AsSpan((int)((slot + missed) % _ticks) * _columns, _columns);
            Span<float> to = _values.AsSpan((int)slot * _columns, _columns);
            if (isKnown)
            {
                from.CopyTo(to);
            }
            else
            {
                to.Fill(float.NaN);
            }
        }
    }

    internal void Archive(StreamSnapshot snapshot) => snapshot.Fields<float>(_values);
}
