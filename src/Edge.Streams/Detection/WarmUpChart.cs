namespace Edge.Streams.Detection;

/// <summary>
/// Measures, during the warm-up, how the level of each channel moves by itself: for a stream whose model file says nothing about it, or
/// whose level differs from one recording to the next.
/// </summary>
internal sealed class WarmUpChart
{
    /// <summary>Rows of the warm-up.</summary>
    internal const int Rows = 400;

    private const int BlockRows = 10;
    private const int Blocks = Rows / BlockRows;

    private readonly int _channels;
    private readonly int _spans;
    private readonly float[] _mean;
    private readonly float[] _least;
    private readonly float[] _largest;
    private readonly float[] _sum;
    private readonly float[] _squares;
    private readonly float[] _total;
    private readonly float[] _blocks;
    private int _rows;

    internal WarmUpChart(int channels)
    {
        _channels = channels;
        _spans = EwmaChart.SpansOf(Rows).Length;
        _mean = new float[channels * _spans];
        _least = new float[channels * _spans];
        _largest = new float[channels * _spans];
        _sum = new float[channels * _spans];
        _squares = new float[channels * _spans];
        _total = new float[channels];
        _blocks = new float[channels * Blocks];
    }

    internal bool IsOver => _rows >= Rows;

    internal void Archive(StreamSnapshot snapshot)
    {
        _rows = snapshot.Field(_rows);
        foreach (float[] values in new[] { _mean, _least, _largest, _sum, _squares, _total, _blocks })
        {
            snapshot.Fields<float>(values);
        }
    }

    /// <summary>Takes one row, normalized.</summary>
    internal void Observe(ReadOnlySpan<float> row)
    {
        ReadOnlySpan<int> spans = EwmaChart.SpansOf(Rows);
        for (int channel = 0; channel < _channels; channel++)
        {
            _total[channel] += row[channel];
            for (int s = 0; s < _spans; s++)
            {
                int at = (channel * _spans) + s;
                _mean[at] = _rows == 0 ? row[channel] : _mean[at] + ((row[channel] - _mean[at]) / spans[s]);
                Count(at, isFirst: _rows == 0);
            }

            if (_rows % BlockRows == BlockRows - 1)
            {
                _blocks[(channel * Blocks) + (_rows / BlockRows)] = _mean[(channel * _spans) + _spans - 1];
            }
        }

        _rows++;
    }

    /// <summary>The center of a channel: its mean over the warm-up.</summary>
    internal float Center(int channel) => _total[channel] / Rows;

    /// <summary>What the means did: [channels, spans].</summary>
    internal ChartStatistics[] Measure()
    {
        var statistics = new ChartStatistics[_channels * _spans];
        Span<float> blocks = stackalloc float[Blocks];
        for (int channel = 0; channel < _channels; channel++)
        {
            float center = Center(channel);
            for (int b = 0; b < Blocks; b++)
            {
                blocks[b] = _blocks[(channel * Blocks) + b] - center;
            }

            // All spans wander as the longest does.
            float growth = ChartStatistics.Measure(blocks, BlockRows).Growth;
            for (int s = 0; s < _spans; s++)
            {
                int at = (channel * _spans) + s;
                float mean = _sum[at] / Rows;
                float square = Math.Max(0, (_squares[at] / Rows) - (mean * mean)) + ((mean - center) * (mean - center));
                float largest = Math.Max(_largest[at] - center, center - _least[at]);
                statistics[at] = new ChartStatistics(
                    (float)Math.Sqrt(square), largest, ChartStatistics.NormalPower, growth, ChartStatistics.NoEnd);
            }
        }

        return statistics;
    }

    private void Count(int at, bool isFirst)
    {
        float mean = _mean[at];
        _least[at] = isFirst ? mean : Math.Min(_least[at], mean);
        _largest[at] = isFirst ? mean : Math.Max(_largest[at], mean);
        _sum[at] += mean;
        _squares[at] += mean * mean;
    }
}
