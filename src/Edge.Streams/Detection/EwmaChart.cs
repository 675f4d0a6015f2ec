using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Edge.Streams.Detection;

/// <summary>
/// Control charts of one quantity of every channel: exponentially weighted means over several spans, each against its limit. A short
/// span finds jumps, a long one small and slow shifts. Roberts, "Control chart tests based on geometric moving averages" (1959).
/// </summary>
internal sealed class EwmaChart
{
    private static readonly int[] AllSpans = [1, 3, 10, 30, 100, 300, 1000];

    // One lane a span; those beyond the spans in use have no limit.
    private static readonly Vector256<float> Rates = Vector256.Create([.. AllSpans.Select(span => 1f / span), 0f]);

    // Ten rows: the span that stands for the present level.
    private const int LevelSpanAt = 2;

    // A channel with operating levels is compared with the nearest one over spans up to this position, and with its mean over longer ones.
    private const int LevelSpans = 4;
    private static readonly Vector256<float> OfLevels = Vector256.Create([.. AllSpans.Select((_, at) => at < LevelSpans ? 1f : 0f), 0f]);

    // A mean tells that a channel is back if what was off is so many times its calm deviation. The channel is back if that mean is off by
    // less than so many deviations, or this share of what it was.
    private const float TellingDeviations = 6;
    private const float BackDeviations = 2.5f;
    private const float BackShare = 0.25f;

    // A shift that was taken off a channel is not known so well.
    private const float LeftShare = 0.4f;

    // Of a mean that stands so many deviations out, the rest is certain.
    private const float UncertainDeviations = 3;

    private readonly int _rows;
    private readonly int _spans;
    private readonly ChartStatistics[] _statistics;
    private readonly Vector256<float>[] _inverse;
    private readonly Vector256<float>[] _mean;
    private readonly float[] _offset;
    private readonly float[] _ratio;
    private readonly float[][] _levels;

    // The operating level of the last row; 0 for a channel without.
    private readonly float[] _level;

    /// <param name="channels">Number of channels.</param>
    /// <param name="rows">Calm rows behind the statistics.</param>
    /// <param name="statistics">Of each channel and span: [channels, <see cref="SpansOf"/>(rows).Length].</param>
    /// <param name="levels">Operating levels of each channel, or empty.</param>
    internal EwmaChart(int channels, int rows, ChartStatistics[] statistics, float[][]? levels = null)
    {
        _levels = levels ?? [];
        _level = new float[channels];
        _rows = rows;
        _statistics = statistics;
        _spans = SpansOf(rows).Length;
        _inverse = new Vector256<float>[channels];
        _mean = new Vector256<float>[channels];
        _offset = new float[channels];
        _ratio = new float[channels];
    }

    /// <summary>Largest mean over its limit, of each channel; abnormal from 1 on.</summary>
    internal ReadOnlySpan<float> Ratios => _ratio;

    /// <summary>The spans, in rows, about which so many calm rows say enough.</summary>
    internal static ReadOnlySpan<int> SpansOf(int rows)
    {
        int count = 0;
        while (count < AllSpans.Length && ChartStatistics.IsEnough(rows, AllSpans[count]))
        {
            count++;
        }

        return AllSpans.AsSpan(0, count);
    }

    /// <summary>Measures the means of a quantity on calm rows.</summary>
    /// <param name="values">The quantity at each row.</param>
    /// <param name="statistics">Of its means: [<see cref="SpansOf"/>(rows).Length].</param>
    /// <param name="levels">Operating levels of the quantity.</param>
    internal static void Measure(float[] values, Span<ChartStatistics> statistics, float[]? levels = null)
    {
        float[] fromLevel = levels is { Length: > 0 }
            ? [.. values.Select(value => value - OperatingLevels.Nearest(levels, value))]
            : values;
        for (int s = 0; s < statistics.Length; s++)
        {
            statistics[s] = Measure(s < LevelSpans ? fromLevel : values, AllSpans[s]);
        }
    }

    /// <summary>Measures the mean of a quantity over a span of calm rows.</summary>
    internal static ChartStatistics Measure(float[] values, int span)
    {
        var means = new float[values.Length];
        float mean = 0;
        for (int row = 0; row < values.Length; row++)
        {
            mean += (values[row] - mean) / span;
            means[row] = mean;
        }

        // The first means still hold their start.
        return ChartStatistics.Measure(means.AsSpan(span), span);
    }

    /// <summary>Sets the limits for a probability, per row and channel, that a calm row is beyond one.</summary>
    internal void SetProbability(double probability)
    {
        for (int at = 0; at < _statistics.Length; at++)
        {
            double limit = _statistics[at].Limit(probability, _rows, AllSpans[at % _spans]);
            ref Vector256<float> inverse = ref _inverse[at / _spans];
            inverse = inverse.WithElement(at % _spans, (float)(1 / limit));
        }
    }

    /// <summary>Reads or writes the state.</summary>
    /// <param name="snapshot">The snapshot.</param>
    /// <param name="hasLast">Whether it has the mean over one row, which is the last row and does not outlast it.</param>
    internal void Archive(StreamSnapshot snapshot, bool hasLast)
    {
        Span<float> means = MemoryMarshal.Cast<Vector256<float>, float>(_mean.AsSpan());
        for (int channel = 0; channel < _mean.Length; channel++)
        {
            snapshot.Fields(means.Slice(channel * Vector256<float>.Count, _spans)[(hasLast ? 0 : 1)..]);
        }

        snapshot.Fields<float>(_offset);
    }

    /// <summary>Takes the quantity of a channel.</summary>
    internal void Observe(int channel, float value)
    {
        ref Vector256<float> means = ref _mean[channel];
        float now = value - _offset[channel];
        var target = Vector256.Create(now);
        if (HasLevels(channel))
        {
            _level[channel] = OperatingLevels.Nearest(_levels[channel], now);
            target -= OfLevels * _level[channel];
        }

        means = (means + ((target - means) * Rates)).WithElement(0, target[0]);
        Vector256<float> ratios = Vector256.Abs(means) * _inverse[channel];
        Vector128<float> half = Vector128.Max(ratios.GetLower(), ratios.GetUpper());
        _ratio[channel] = Math.Max(Math.Max(half[0], half[1]), Math.Max(half[2], half[3]));
    }

    /// <summary>Moves the means towards 0 as if so many calm rows had passed unseen.</summary>
    internal void Skip(long rows)
    {
        Vector256<float> retained = Vector256.Create([.. AllSpans.Select(span => Retained(span, rows)), 0f]);
        for (int channel = 0; channel < _mean.Length; channel++)
        {
            _mean[channel] *= retained;
        }
    }

    /// <summary>Share that is left of an exponentially weighted mean after so many rows.</summary>
    internal static float Retained(int span, long rows) =>
        span == 1 ? 0 : (float)PortableMath.Exp(Math.Max(-80, Math.Min(rows, 100_000L) * PortableMath.Log(1 - (1.0 / span))));

    /// <summary>Lets the center of a channel follow its quantity.</summary>
    internal void Follow(int channel, float value, double rate) =>
        _offset[channel] += (float)(rate * (value - _offset[channel] - _level[channel]));

    /// <summary>Sets the means of a channel to its center.</summary>
    internal void Restart(int channel)
    {
        _mean[channel] = Vector256<float>.Zero;
        _ratio[channel] = 0;
    }

    /// <summary>
    /// How far a channel that is beyond a limit is off: the largest mean that is beyond its own, or what is certain of a larger one, as an
    /// absolute value; 0 if none is beyond.
    /// </summary>
    internal float Excess(int channel)
    {
        float beyond = 0;
        float certain = 0;

        // How often a channel is at which of its levels is a matter of the longer spans alone.
        int spans = HasLevels(channel) ? Math.Min(LevelSpans, _spans) : _spans;
        for (int s = 0; s < spans; s++)
        {
            float mean = Math.Abs(_mean[channel][s]);
            beyond = mean * _inverse[channel][s] >= 1 ? Math.Max(beyond, mean) : beyond;
            certain = Math.Max(certain, mean - (UncertainDeviations * Statistics(channel, s).Deviation));
        }

        return beyond > 0 ? Math.Max(beyond, certain) : 0;
    }

    /// <summary>
    /// Whether a channel that was off is back: the mean over the shortest span that can tell is. Longer ones still hold what has passed.
    /// </summary>
    /// <param name="channel">The channel.</param>
    /// <param name="size">How far its quantity was off; see <see cref="Excess"/>.</param>
    internal bool IsBack(int channel, float size)
    {
        int span = TellingSpanAt(channel, size);
        return span >= 0
            && Math.Abs(_mean[channel][span]) < Math.Max(BackDeviations * Statistics(channel, span).Deviation, BackShare * size);
    }

    /// <summary>Whether a channel is back where it was before a shift that is taken off its quantity.</summary>
    internal bool HasLeft(int channel, float shift)
    {
        int span = TellingSpanAt(channel, Math.Abs(shift));
        if (span >= 0 && IsOfLevels(channel, span))
        {
            float was = _mean[channel][span] + _level[channel] + shift;
            return Math.Abs(was - OperatingLevels.Nearest(_levels[channel], was)) < LeftShare * Math.Abs(shift);
        }

        return span >= 0 && Math.Abs(_mean[channel][span] + shift) < LeftShare * Math.Abs(shift);
    }

    /// <summary>
    /// Lets the longer means of a channel that is back forget that it was off. What is still off beneath the noise, they find again.
    /// </summary>
    internal void Forget(int channel, float size)
    {
        for (int longer = TellingSpanAt(channel, size) + 1; longer < _spans; longer++)
        {
            _mean[channel] = _mean[channel].WithElement(longer, 0);
        }
    }

    /// <summary>Position of the span that has a channel's largest ratio.</summary>
    internal int LargestSpanAt(int channel)
    {
        Vector256<float> ratios = Vector256.Abs(_mean[channel]) * _inverse[channel];
        int largest = 0;
        for (int at = 1; at < _spans; at++)
        {
            largest = ratios[at] > ratios[largest] ? at : largest;
        }

        return largest;
    }

    /// <summary>Rows of the span at a position.</summary>
    internal static int SpanAt(int at) => AllSpans[at];

    /// <summary>A mean of a channel, less its center.</summary>
    internal float Mean(int channel, int spanAt) => _mean[channel][spanAt];

    /// <summary>What a mean of a channel did on calm rows.</summary>
    internal ChartStatistics Statistics(int channel, int spanAt) => _statistics[(channel * _spans) + spanAt];

    /// <summary>The center of a channel.</summary>
    internal float Center(int channel) => _offset[channel];

    /// <summary>What a mean of a channel is compared with: its center, or the operating level it is at.</summary>
    internal float Expected(int channel, int spanAt) => _offset[channel] + (spanAt < LevelSpans ? _level[channel] : 0);

    /// <summary>The level of a channel: its mean over about ten rows.</summary>
    internal float Level(int channel)
    {
        int spanAt = Math.Min(LevelSpanAt, _spans - 1);
        return _mean[channel][spanAt] + Expected(channel, spanAt);
    }

    /// <summary>
    /// How far a channel is from its operating levels, by the mean over the longest span that is compared with them, and by how much that
    /// is uncertain.
    /// </summary>
    internal (float Off, float Uncertain) FromLevel(int channel)
    {
        int spanAt = Math.Min(LevelSpans, _spans) - 1;
        return (_mean[channel][spanAt], UncertainDeviations * Statistics(channel, spanAt).Deviation);
    }

    /// <summary>The operating level that the last row of a channel was nearest to; 0 for a channel without.</summary>
    internal float OperatingLevel(int channel) => _level[channel];

    /// <summary>Whether the last row of a channel alone is beyond its limit.</summary>
    internal bool IsBeyondNow(int channel) => Math.Abs(_mean[channel][0]) * _inverse[channel][0] >= 1;

    /// <summary>Whether a mean of a channel is compared with its operating levels.</summary>
    internal bool IsOfLevels(int channel, int spanAt) => HasLevels(channel) && spanAt < LevelSpans;

    /// <summary>Whether a channel has operating levels.</summary>
    internal bool HasLevels(int channel) => _levels.Length > 0 && _levels[channel].Length > 0;

    // -1 if none can.
    private int TellingSpanAt(int channel, float size)
    {
        for (int s = 0; s < _spans; s++)
        {
            if (TellingDeviations * Statistics(channel, s).Deviation <= size)
            {
                return s;
            }
        }

        return -1;
    }
}
