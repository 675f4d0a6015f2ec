namespace Edge.Streams.Detection;

/// <summary>Exponentially weighted means of all channels over several spans: the context of a reading.</summary>
internal sealed class RecentMeans
{
    private static readonly int[] AllSpans = [10, 60, 300];
    private static readonly float[] AllRates = [.. AllSpans.Select(span => 1f / span)];

    private readonly int _channels;
    private readonly int _spans;
    private readonly float[] _mean;

    /// <param name="channels">Number of channels.</param>
    /// <param name="rows">Calm rows that the means were learned from: they limit the spans.</param>
    internal RecentMeans(int channels, int rows)
    {
        _channels = channels;
        _spans = CountOf(rows);
        _mean = new float[_spans * channels];
    }

    /// <summary>The means: [spans, channels].</summary>
    internal ReadOnlySpan<float> Values => _mean;

    /// <summary>Rows until the means have forgotten how they started.</summary>
    internal int SettleRows => _spans == 0 ? 0 : 3 * AllSpans[_spans - 1];

    /// <summary>Number of spans about which so many calm rows say enough.</summary>
    internal static int CountOf(int rows) => AllSpans.Count(span => ChartStatistics.IsEnough(rows, span));

    /// <summary>Share that is left in the mean at a position of what was before so many rows.</summary>
    internal static float Retained(int position, int rows) => EwmaChart.Retained(AllSpans[position], rows);

    internal void Archive(StreamSnapshot snapshot) => snapshot.Fields<float>(_mean);

    /// <summary>Takes one row.</summary>
    internal void Observe(ReadOnlySpan<float> row, bool isFirst)
    {
        for (int s = 0; s < _spans; s++)
        {
            Span<float> means = _mean.AsSpan(s * _channels, _channels);
            float rate = isFirst ? 1 : AllRates[s];
            for (int channel = 0; channel < means.Length; channel++)
            {
                means[channel] += (row[channel] - means[channel]) * rate;
            }
        }
    }

    /// <summary>Takes over the means of another of the same channels.</summary>
    internal void CopyFrom(RecentMeans other) => other._mean.CopyTo(_mean, 0);

    /// <summary>Takes over the means of one channel.</summary>
    internal void CopyFrom(RecentMeans other, int channel)
    {
        for (int at = channel; at < _mean.Length; at += _channels)
        {
            _mean[at] = other._mean[at];
        }
    }

    /// <summary>Moves the means towards a row as if so many like it had passed unseen.</summary>
    internal void Skip(ReadOnlySpan<float> row, long rows)
    {
        for (int s = 0; s < _spans; s++)
        {
            float retained = EwmaChart.Retained(AllSpans[s], rows);
            Span<float> means = _mean.AsSpan(s * _channels, _channels);
            for (int channel = 0; channel < means.Length; channel++)
            {
                means[channel] = row[channel] + (retained * (means[channel] - row[channel]));
            }
        }
    }
}
