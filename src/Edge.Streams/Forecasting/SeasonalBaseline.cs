namespace Edge.Streams.Forecasting;

/// <summary>
/// "As it was a season ago": each column's value of that tick stands for its forecast, at any horizon up to a season. A model that does worse than
/// this has learned less than a calendar knows.
/// </summary>
internal sealed class SeasonalBaseline
{
    /// <summary>Longest season that is kept, in ticks: what is kept is part of every snapshot.</summary>
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

    /// <summary>A day, where that is a sensible number of ticks; else none.</summary>
    internal static int DefaultTicks(TimeSpan period)
    {
        double ticks = TimeSpan.FromDays(1) / period;
        return ticks is >= 2 and <= TicksMax && Math.Abs(ticks - Math.Round(ticks)) < 1e-6 ? (int)Math.Round(ticks) : 0;
    }

    /// <summary>A column's normalised value a season before tick <paramref name="seq"/>; NaN where there was none.</summary>
    internal float Before(long seq, int column) => _ticks == 0 ? float.NaN : _values[((int)(seq % _ticks) * _columns) + column];

    /// <summary>Keeps a column's normalised value for a season on; NaN where none was measured.</summary>
    internal void Keep(long seq, int column, float value)
    {
        if (_ticks > 0)
        {
            _values[((int)(seq % _ticks) * _columns) + column] = value;
        }
    }

    internal void Archive(StreamSnapshot snapshot) => snapshot.Fields<float>(_values);
}
