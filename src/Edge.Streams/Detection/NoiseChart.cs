using Edge.Inference;

namespace Edge.Streams.Detection;

/// <summary>
/// A control chart of the noise of every channel: how far a reading is from the line through the two before it, which neither a level nor a
/// slope changes. What is averaged is the root of that distance: it is nearly normal for normal noise, and a jump counts for little.
/// </summary>
/// <remarks>
/// Differences of successive values: von Neumann, Kent, Bellinson and Hart, "The mean square successive difference" (1941). An average of
/// the scatter as a chart: MacGregor and Harris, "The exponentially weighted moving variance" (1993).
/// </remarks>
internal sealed class NoiseChart
{
    // Rows of the average: the most of which the calm rows hold so many independent ones. Noise comes and goes by itself.
    private static readonly int[] Spans = [10, 30];
    private const int IndependentMin = 100;

    // A mean that is above the usual one by less than this share of it is within its limit: that is 1.44 times the noise.
    private const float LeastShare = 0.2f;

    private readonly NoiseStatistics[] _statistics;
    private readonly int _rows;
    private readonly int _span;
    private readonly float _rate;
    private readonly float[] _inverse;
    private readonly float[] _ratio;

    // The last change of each channel, NaN if it is not known; and the mean of the roots, less the usual one.
    private readonly float[] _change;
    private readonly float[] _mean;

    /// <param name="rows">Calm rows behind the statistics.</param>
    /// <param name="statistics">Of each channel.</param>
    internal NoiseChart(int rows, NoiseStatistics[] statistics)
    {
        _statistics = statistics;
        _rows = rows;
        _span = SpanOf(rows);
        _rate = 1f / _span;
        _inverse = new float[statistics.Length];
        _ratio = new float[statistics.Length];
        _change = new float[statistics.Length];
        _mean = new float[statistics.Length];
        Begin();
    }

    /// <summary>Mean over its limit, of each channel; abnormal from 1 on.</summary>
    internal ReadOnlySpan<float> Ratios => _ratio;

    /// <summary>Rows that are averaged.</summary>
    internal int Span => _span;

    /// <summary>Whether so many calm rows say enough about noise.</summary>
    internal static bool IsEnough(int rows) => SpanOf(rows) > 0;

    /// <summary>Sets the limits for a probability, per row and channel, that a calm row is beyond one.</summary>
    internal void SetProbability(double probability)
    {
        for (int channel = 0; channel < _statistics.Length; channel++)
        {
            NoiseStatistics statistics = _statistics[channel];
            double limit = statistics.OfMeans.Limit(probability, _rows, _span);
            _inverse[channel] = (float)(1 / Math.Max(limit, LeastShare * statistics.Usual));
        }
    }

    internal void Archive(StreamSnapshot snapshot)
    {
        snapshot.Fields<float>(_change);
        snapshot.Fields<float>(_mean);
    }

    /// <summary>Begins again, with usual noise.</summary>
    internal void Begin()
    {
        Array.Fill(_change, float.NaN);
        Array.Clear(_mean);
        Array.Clear(_ratio);
    }

    /// <summary>
    /// Takes a row's changes from the last measured values, NaN where one is not known: a held value says nothing about noise.
    /// </summary>
    internal void Observe(ReadOnlySpan<float> changes)
    {
        for (int channel = 0; channel < changes.Length; channel++)
        {
            float bend = Math.Abs(changes[channel] - _change[channel]);
            _change[channel] = changes[channel];
            ref float mean = ref _mean[channel];
            if (!float.IsNaN(bend))
            {
                ref NoiseStatistics statistics = ref _statistics[channel];
                mean += (statistics.Root(bend) - statistics.Usual - mean) * _rate;
            }

            _ratio[channel] = mean * _inverse[channel];
        }
    }

    /// <summary>Moves the means towards the usual one as if so many calm rows had passed unseen.</summary>
    internal void Skip(long rows)
    {
        float retained = EwmaChart.Retained(_span, rows);
        Array.Fill(_change, float.NaN);
        foreach (ref float mean in _mean.AsSpan())
        {
            mean *= retained;
        }
    }

    /// <summary>How many times the usual noise a channel has.</summary>
    internal double TimesUsual(int channel)
    {
        double root = 1 + (_mean[channel] / _statistics[channel].Usual);
        return root * root;
    }

    /// <summary>Measures the noise of calm rows.</summary>
    /// <param name="rows">[count, columns].</param>
    /// <param name="count">Number of rows, such that <see cref="IsEnough"/>.</param>
    /// <param name="areConstant">Columns that never change.</param>
    internal static NoiseStatistics[] Measure(float[] rows, int count, bool[] areConstant)
    {
        int columns = areConstant.Length;
        var values = new float[count - 2];
        return
        [
            .. areConstant.Select((isConstant, column) =>
            {
                for (int at = 0; at < values.Length; at++)
                {
                    float last = rows[((at + 1) * columns) + column];
                    values[at] = Math.Abs(rows[((at + 2) * columns) + column] - last - (last - rows[(at * columns) + column]));
                }

                return isConstant ? NoiseStatistics.None : NoiseStatistics.Measure(values, SpanOf(count));
            }),
        ];
    }

    // 0 if none has enough.
    private static int SpanOf(int rows) => Spans.LastOrDefault(span => ChartStatistics.Independent(rows, span) >= IndependentMin);
}

/// <summary>The noise of a channel on calm rows.</summary>
/// <param name="Inverse">One over the unit of distances; 0 where nothing is known.</param>
/// <param name="Usual">Mean of their roots.</param>
/// <param name="OfMeans">Of the average of the roots, less that mean.</param>
internal readonly record struct NoiseStatistics(float Inverse, float Usual, ChartStatistics OfMeans)
{
    // The unit is what this share of the calm distances does not exceed. More than so many units count as so many.
    private const double UsualShare = 0.95;
    private const float DistanceMax = 4;

    // Of values that hardly ever change, the unit is the least change.
    private const float DistanceMin = 1e-5f;

    /// <summary>Of a channel that never moved: its noise is never abnormal.</summary>
    internal static NoiseStatistics None { get; } = new(0, 1, ChartStatistics.Unlimited);

    /// <summary>Whether the values can be of a channel.</summary>
    internal bool IsValid => Inverse >= 0 && Usual > 0 && float.IsFinite(Inverse + Usual);

    /// <summary>Root of a distance, in units.</summary>
    internal float Root(float distance) => MathF.Sqrt(Math.Min(distance * Inverse, DistanceMax));

    /// <summary>Measures distances.</summary>
    internal static NoiseStatistics Measure(float[] distances, int span)
    {
        float[] sorted = [.. distances];
        Array.Sort(sorted);
        float unit = Math.Max(sorted[(int)(UsualShare * sorted.Length)], Array.Find(sorted, distance => distance >= DistanceMin));
        if (unit <= 0)
        {
            return None;
        }

        var statistics = None with { Inverse = 1 / unit };
        double sum = 0;
        foreach (float distance in distances)
        {
            sum += statistics.Root(distance);
        }

        statistics = statistics with { Usual = (float)(sum / distances.Length) };
        float[] roots = Array.ConvertAll(distances, distance => statistics.Root(distance) - statistics.Usual);
        return statistics with { OfMeans = EwmaChart.Measure(roots, span) };
    }
}
