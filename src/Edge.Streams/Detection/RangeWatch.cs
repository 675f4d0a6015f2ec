namespace Edge.Streams.Detection;

/// <summary>
/// Watches the levels of a stream that has no model yet, and of which little is known: the range in which each channel has been so far
/// grows at most by its own width in <see cref="GrowRows"/> rows, and a level that is beyond it by that width is abnormal. A jump is
/// seen; a sunrise is not. A channel is watched once it has changed often enough to tell how much it changes.
/// </summary>
internal sealed class RangeWatch(int channels)
{
    private const int RowsMin = 100;
    private const int ChangesMin = 10;
    private const int GrowRows = 30;
    private const int LevelRows = 3;

    // In standard deviations of the first rows: no range is narrower.
    private const double WidthMin = 4;

    // [channels], in the unit of each. Of the first rows: the last value, how often it changed, mean and sum of squares. Then: level and
    // range.
    private readonly double[] _last = new double[channels];
    private readonly int[] _changes = new int[channels];
    private readonly double[] _mean = new double[channels];
    private readonly double[] _squares = new double[channels];
    private readonly double[] _level = new double[channels];
    private readonly double[] _low = new double[channels];
    private readonly double[] _high = new double[channels];
    private readonly bool[] _isWatched = new bool[channels];
    private readonly float[] _ratio = new float[channels];
    private long _rows;

    /// <summary>Distance from the range over its width, of each channel; abnormal from 1 on.</summary>
    internal ReadOnlySpan<float> Ratios => _ratio;

    internal void Archive(StreamSnapshot snapshot)
    {
        _rows = snapshot.Field(_rows);
        snapshot.Fields<double>(_last);
        snapshot.Fields<int>(_changes);
        snapshot.Fields<double>(_mean);
        snapshot.Fields<double>(_squares);
        snapshot.Fields<double>(_level);
        snapshot.Fields<double>(_low);
        snapshot.Fields<double>(_high);
        snapshot.Fields<bool>(_isWatched);
    }

    /// <summary>Takes one row, in the channels' units.</summary>
    internal void Observe(ReadOnlySpan<double> values)
    {
        _rows++;
        for (int channel = 0; channel < _level.Length; channel++)
        {
            if (_isWatched[channel])
            {
                Watch(channel, values[channel]);
            }
            else
            {
                Measure(channel, values[channel]);
            }
        }
    }

    /// <summary>The end of the range that is nearer to the level of a channel.</summary>
    internal double Nearest(int channel) => _level[channel] > _high[channel] ? _high[channel] : _low[channel];

    // Mean and deviation: Welford, "Note on a method for calculating corrected sums of squares and products" (1962).
    private void Measure(int channel, double value)
    {
        _changes[channel] += _rows > 1 && value != _last[channel] ? 1 : 0;
        _last[channel] = value;
        double change = value - _mean[channel];
        _mean[channel] += change / _rows;
        _squares[channel] += change * (value - _mean[channel]);
        if (_rows >= RowsMin && _changes[channel] >= ChangesMin)
        {
            double half = WidthMin / 2 * Math.Sqrt(_squares[channel] / _rows);
            _level[channel] = value;
            (_low[channel], _high[channel]) = (Math.Min(value, _mean[channel] - half), Math.Max(value, _mean[channel] + half));
            _isWatched[channel] = true;
        }
    }

    private void Watch(int channel, double value)
    {
        _level[channel] += (value - _level[channel]) / LevelRows;
        double level = _level[channel];
        double width = _high[channel] - _low[channel];
        _ratio[channel] = (float)(Math.Max(0, Math.Max(level - _high[channel], _low[channel] - level)) / width);
        _high[channel] += Math.Clamp(level - _high[channel], 0, width / GrowRows);
        _low[channel] -= Math.Clamp(_low[channel] - level, 0, width / GrowRows);
    }
}
