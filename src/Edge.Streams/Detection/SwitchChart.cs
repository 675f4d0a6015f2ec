using Edge.Inference;

namespace Edge.Streams.Detection;

/// <summary>
/// A control chart of how often the channels that have a few states or operating levels change from one to another: a compressor that
/// starts three times as often as usual keeps each of its levels, and may keep its mean.
/// </summary>
internal sealed class SwitchChart
{
    // Rows of the average: the fewest in which a channel usually switches so many times, or the most that the calm rows say enough about.
    private static readonly int[] Spans = [100, 300, 1000];
    private const int SwitchesMin = 6;

    // A channel that switches less than twice as often as usual is within its limit.
    private const float LeastShare = 1;

    // A value is at a level that is nearer to it than this part of the way to the next one: what is wrong by half of it does not switch.
    private const float NearShare = 0.25f;

    // A mean over a part of these rows must be as far off: when a channel is back to its usual, that soon shows.
    private const int SoonPart = 4;

    private readonly int _rows;
    private readonly SwitchStatistics[] _statistics;
    private readonly float[][] _levels;
    private readonly float[] _inverse;
    private readonly float[] _ratio;

    // The last level of each channel, NaN if it is not known; and the mean number of switches a row, less the usual one.
    private readonly float[] _level;
    private readonly float[] _mean;
    private readonly float[] _soon;

    /// <param name="rows">Calm rows behind the statistics.</param>
    /// <param name="statistics">Of each channel.</param>
    /// <param name="levels">The states or operating levels of each channel; empty for one without.</param>
    internal SwitchChart(int rows, SwitchStatistics[] statistics, float[][] levels)
    {
        (_rows, _statistics, _levels) = (rows, statistics, levels);
        _inverse = new float[statistics.Length];
        _ratio = new float[statistics.Length];
        _level = new float[statistics.Length];
        _mean = new float[statistics.Length];
        _soon = new float[statistics.Length];
        Begin();
    }

    /// <summary>Mean over its limit, of each channel; abnormal from 1 on, 0 or less where it switches as usual or less often.</summary>
    internal ReadOnlySpan<float> Ratios => _ratio;

    /// <summary>Rows that are averaged, of a channel that has levels.</summary>
    internal int Span(int channel) => _statistics[channel].Span;

    /// <summary>Whether a channel is judged.</summary>
    internal bool Knows(int channel) => _statistics[channel].Span > 0;

    /// <summary>Sets the limits for a probability, per row and channel, that a calm row is beyond one.</summary>
    internal void SetProbability(double probability)
    {
        for (int channel = 0; channel < _statistics.Length; channel++)
        {
            SwitchStatistics statistics = _statistics[channel];
            double limit = Knows(channel) ? statistics.OfMeans.Limit(probability, _rows, statistics.Span) : 0;
            _inverse[channel] = Knows(channel) ? (float)(1 / Math.Max(limit, LeastShare * statistics.Usual)) : 0;
        }
    }

    internal void Archive(StreamSnapshot snapshot)
    {
        snapshot.Fields<float>(_level);
        snapshot.Fields<float>(_mean);
        snapshot.Fields<float>(_soon);
    }

    /// <summary>Begins again, with as many switches as usual.</summary>
    internal void Begin()
    {
        Array.Fill(_level, float.NaN);
        Array.Clear(_mean);
        Array.Clear(_soon);
        Array.Clear(_ratio);
    }

    /// <summary>Takes a value of a channel, as the levels are given.</summary>
    internal void Observe(int channel, float value)
    {
        if (!Knows(channel))
        {
            return;
        }

        SwitchStatistics statistics = _statistics[channel];
        float level = At(_levels[channel], value, _level[channel]);
        float switches = IsSwitch(_level[channel], level) ? 1 : 0;
        _level[channel] = level;
        float off = switches - statistics.Usual;
        _mean[channel] += (off - _mean[channel]) / statistics.Span;
        _soon[channel] += (off - _soon[channel]) / SoonSpan(channel);
        _ratio[channel] = Math.Min(_mean[channel], _soon[channel]) * _inverse[channel];
    }

    /// <summary>Moves the means towards the usual one as if so many calm rows had passed unseen.</summary>
    internal void Skip(long rows)
    {
        Array.Fill(_level, float.NaN);
        for (int channel = 0; channel < _mean.Length; channel++)
        {
            _mean[channel] *= Knows(channel) ? EwmaChart.Retained(Span(channel), rows) : 0;
            _soon[channel] *= Knows(channel) ? EwmaChart.Retained(SoonSpan(channel), rows) : 0;
        }
    }

    /// <summary>
    /// How many times as often as usual a channel that is judged switches, and over how many rows: the last few, or those of its average.
    /// </summary>
    internal (double Times, int Rows) TimesUsual(int channel) => _soon[channel] > _mean[channel]
        ? (1 + (_soon[channel] / _statistics[channel].Usual), SoonSpan(channel))
        : (1 + (_mean[channel] / _statistics[channel].Usual), Span(channel));

    // The level of a value; between two, or beyond all, that of the row before.
    private static float At(float[] levels, float value, float last)
    {
        float level = OperatingLevels.Nearest(levels, value);
        return Math.Abs(value - level) < NearShare * OperatingLevels.Gap(levels, value) ? level : last;
    }

    private static bool IsSwitch(float from, float to) => from != to && !float.IsNaN(from);

    private int SoonSpan(int channel) => _statistics[channel].Span / SoonPart;

    /// <summary>Measures how often calm values switch.</summary>
    /// <param name="values">Calm values of a channel, in order.</param>
    /// <param name="levels">Its states or operating levels; empty for none.</param>
    internal static SwitchStatistics Measure(ReadOnlySpan<float> values, float[] levels)
    {
        if (levels.Length == 0 || !ChartStatistics.IsEnough(values.Length, Spans[0]))
        {
            return SwitchStatistics.None;
        }

        var switches = new float[values.Length];
        float last = float.NaN;
        for (int row = 0; row < switches.Length; row++)
        {
            float level = At(levels, values[row], last);
            switches[row] = IsSwitch(last, level) ? 1 : 0;
            last = level;
        }

        float usual = switches.Average();
        if (usual == 0)
        {
            return SwitchStatistics.None;
        }

        int at = 0;
        while (at + 1 < Spans.Length && usual * Spans[at] < SwitchesMin && ChartStatistics.IsEnough(values.Length, Spans[at + 1]))
        {
            at++;
        }

        float[] offs = Array.ConvertAll(switches, each => each - usual);
        return new SwitchStatistics(Spans[at], usual, EwmaChart.Measure(offs, Spans[at]));
    }
}

/// <summary>How often a channel switches on calm rows.</summary>
/// <param name="Span">Rows of the average; 0 for a channel that is not judged.</param>
/// <param name="Usual">Switches a row.</param>
/// <param name="OfMeans">Of their average, less the usual one.</param>
internal readonly record struct SwitchStatistics(int Span, float Usual, ChartStatistics OfMeans)
{
    /// <summary>Of a channel that is not judged.</summary>
    internal static SwitchStatistics None { get; } = new(0, 0, ChartStatistics.Unlimited);

    /// <summary>Whether the values can be of a channel.</summary>
    internal bool IsValid => Span is 0 or (>= 100 and <= 1000) && Usual >= 0 && Usual <= 1 && (Span == 0 || Usual > 0);
}
