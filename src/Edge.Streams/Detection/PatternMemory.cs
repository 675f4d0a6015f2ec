using System.Runtime.Intrinsics;

namespace Edge.Streams.Detection;

/// <summary>
/// Remembers what every channel has looked like, and says how far the present is from all of it. A pattern is the value, its mean over
/// about 4 and 16 rows, and its deviation over the same. The first reading of a kind is unknown; the next ones are not. Each channel is
/// on its own.
/// </summary>
internal sealed class PatternMemory
{
    private const int Features = PatternCodebook.Features;
    private const float StepsMax = PatternCodebook.StepsMax;
    private static readonly Vector128<float> Rates = Vector128.Create(1f / 4, 1f / 16, 1f / 4, 1f / 16);

    // Brings the upper two lanes of four down.
    private static readonly Vector128<int> Upper = Vector128.Create(2, 3, 2, 3);

    /// <summary>A pattern becomes part of the memory this many rows later, so that the present is not compared with itself.</summary>
    internal const int DelayRows = 16;

    // The means have settled after this many rows.
    private const int FirstRows = 50;

    // Patterns are stored in this fraction of a calm deviation.
    private const float Steps = 256;

    // While the memory is young it has not seen all that is normal. So many rows, over which its limit becomes as strict as the sensitivity
    // asks; until then it is looser in proportion.
    private const double YoungRows = 800_000;

    // At fewer false alarms per row than one in 20,000 it takes fewer rows: by the root, so that a stream of many rows a second does not
    // alarm at each new pattern for days.
    private const double YoungProbability = 5e-5;
    private const double ExcessMin = 0.5;

    // The limit changes slowly.
    private const int RefreshRows = 16;

    private readonly int _channels;
    private readonly float[] _scale;

    // The scale of the features as one vector a channel, in steps.
    private readonly Vector256<float>[] _stepsScale;

    // By channel: the means of the value and of its square, of the present and of the row that is remembered next.
    private readonly Vector128<float>[] _means;
    private readonly Vector128<float>[] _delayedMeans;
    private readonly short[] _delayed;

    // By channel, a bit for each row that waits: whether its pattern was unknown.
    private readonly ushort[] _unknown;
    private readonly PatternCodebook _codebook;
    private readonly ushort[] _bins;
    private readonly float[] _limit;
    private readonly float[] _ratio;
    private double _probability = 1e-6;
    private long _rows;

    /// <param name="channels">Number of channels.</param>
    internal PatternMemory(int channels)
    {
        _channels = channels;
        _scale = new float[channels * Features];
        Array.Fill(_scale, 1);
        _stepsScale = new Vector256<float>[channels];
        SetStepsScale();
        _means = new Vector128<float>[channels];
        _delayedMeans = new Vector128<float>[channels];
        _delayed = new short[channels * DelayRows];
        _unknown = new ushort[channels];
        _codebook = new PatternCodebook(channels);
        _bins = new ushort[channels * TailHistogram.Bins];
        _limit = new float[channels];
        _ratio = new float[channels];
    }

    /// <summary>Distance to the nearest pattern over the limit, of each channel; abnormal from 1 on.</summary>
    internal ReadOnlySpan<float> Ratios => _ratio;

    /// <summary>Divides the features of a channel by their deviations on calm rows.</summary>
    internal void SetScale(int channel, ReadOnlySpan<float> deviations)
    {
        const float DeviationMin = 1e-3f;
        for (int f = 0; f < Features; f++)
        {
            _scale[(channel * Features) + f] = 1 / (deviations[f] + DeviationMin);
        }

        SetStepsScale();
    }

    /// <summary>Sets the probability, per row and channel, that a calm row is beyond the limit of a memory that is not young.</summary>
    /// <param name="probability">The probability.</param>
    /// <param name="atOnce">Whether the limits change now; else when they are next computed, as after a restart.</param>
    internal void SetProbability(double probability, bool atOnce)
    {
        _probability = probability;
        if (atOnce)
        {
            RefreshLimits();
        }
    }

    /// <summary>What stays as it was learned.</summary>
    internal void ArchiveScale(StreamSnapshot snapshot)
    {
        snapshot.Fields<float>(_scale);
        if (!Array.TrueForAll(_scale, scale => float.IsFinite(scale) && scale >= 0))
        {
            throw new InvalidDataException("The scale of a pattern is wrong.");
        }

        SetStepsScale();
    }

    /// <summary>Reads or writes what a stream remembers.</summary>
    internal void Archive(StreamSnapshot snapshot)
    {
        snapshot.Fields<ushort>(_unknown);
        ArchiveLearned(snapshot);
    }

    /// <summary>Reads or writes what was learned: in a stream that begins with it, no row waits to be remembered.</summary>
    internal void ArchiveLearned(StreamSnapshot snapshot)
    {
        _rows = snapshot.Field(_rows);

        // Earlier versions kept the row of the last gap here.
        _ = snapshot.Field(0L);
        snapshot.Fields<Vector128<float>>(_means);
        snapshot.Fields<Vector128<float>>(_delayedMeans);
        snapshot.Fields<short>(_delayed);
        _codebook.Archive(snapshot);
        snapshot.Fields<ushort>(_bins);
        snapshot.Fields<float>(_limit);
        if (snapshot.IsReading && !IsSound())
        {
            throw new InvalidDataException("The memory of patterns is damaged.");
        }
    }

    /// <summary>Reads or writes which patterns came while an anomaly was open that a pattern has opened.</summary>
    internal void ArchiveNew(StreamSnapshot snapshot) => _codebook.ArchiveNew(snapshot);

    /// <summary>An anomaly has opened or ended: all patterns so far are known.</summary>
    internal void MarkOld() => _codebook.MarkOld();

    /// <summary>Takes one row, normalized.</summary>
    /// <param name="row">The row.</param>
    /// <param name="isOpen">
    /// Whether an anomaly is open that a pattern has opened: what comes is remembered, but the ratios compare with what was before it, or
    /// it would end by itself.
    /// </param>
    internal void Observe(ReadOnlySpan<float> row, bool isOpen = false)
    {
        int slot = (int)(_rows % DelayRows);
        for (int channel = 0; channel < _channels; channel++)
        {
            if (_rows == 0)
            {
                Restart(channel, row[channel]);
            }

            Remember(channel, slot, row[channel], isOpen);
            Vector256<int> pattern = Pattern(channel, row[channel], _means);
            int square = _codebook.Match(channel, pattern);
            float distance = Root(square);
            _unknown[channel] |= (ushort)(_codebook.IsKnown(channel, square) ? 0 : 1 << slot);
            float strangeness = isOpen ? Root(_codebook.SquareToOld(channel, pattern, square)) : distance;
            _ratio[channel] = _limit[channel] > 0 ? strangeness / _limit[channel] : 0;
            if (_rows >= FirstRows)
            {
                TailHistogram.Add(BinsOf(channel), distance);
            }
        }

        _rows++;
        if (_rows % RefreshRows == 0)
        {
            RefreshLimits();
        }
    }

    /// <summary>Rows were missed: the means begin again at the next row, which is not compared.</summary>
    internal void Skip(ReadOnlySpan<float> row)
    {
        for (int channel = 0; channel < _channels; channel++)
        {
            Restart(channel, row[channel]);
            _ratio[channel] = 0;
        }
    }

    /// <summary>Features of a channel at this row, unscaled: what <see cref="SetScale"/> wants the deviations of.</summary>
    internal void Measure(int channel, float value, Span<float> features)
    {
        Vector256<float> all = Measure(value, ref _means[channel]);
        for (int f = 0; f < Features; f++)
        {
            features[f] = all[f];
        }
    }

    // The value, its means, and its deviations.
    private static Vector256<float> Measure(float value, ref Vector128<float> means)
    {
        Take(value, ref means);
        Vector128<float> squares = means * means;
        Vector128<float> variances = Vector128.Max(Vector128<float>.Zero, Vector128.Shuffle(means, Upper) - squares);
        Vector128<float> deviations = Vector128.Sqrt(variances);
        return Vector256.Create(value, means[0], means[1], deviations[0], deviations[1], 0, 0, 0);
    }

    private static void Take(float value, ref Vector128<float> means)
    {
        float square = value * value;
        means += Rates * (Vector128.Create(value, value, square, square) - means);
    }

    private Span<ushort> BinsOf(int channel) => _bins.AsSpan(channel * TailHistogram.Bins, TailHistogram.Bins);

    /// <summary>Starts the means of a channel at a value.</summary>
    internal void Restart(int channel, float value)
    {
        float square = value * value;
        _means[channel] = _delayedMeans[channel] = Vector128.Create(value, value, square, square);
        _delayed.AsSpan(channel * DelayRows, DelayRows).Fill(InSteps(value));
        _unknown[channel] = 0;
    }

    private void RefreshLimits()
    {
        double youngRows = YoungRows * Math.Min(1, Math.Sqrt(_probability / YoungProbability));
        double young = Math.Max(1, youngRows / Math.Max(1, _rows - FirstRows));
        double excesses = Math.Max(ExcessMin, TailHistogram.Beyond(_probability * young));
        for (int channel = 0; channel < _channels; channel++)
        {
            double limit = TailHistogram.Limit(BinsOf(channel), excesses);
            _limit[channel] = double.IsFinite(limit) ? (float)limit : 0;
        }
    }

    private Vector256<int> Pattern(int channel, float value, Vector128<float>[] means)
    {
        Vector256<float> steps = Measure(value, ref means[channel]) * _stepsScale[channel];
        return Vector256.ConvertToInt32(Vector256.Round(Vector256.Clamp(steps, Vector256.Create(-StepsMax), Vector256.Create(StepsMax))));
    }

    private void SetStepsScale()
    {
        Span<float> scale = stackalloc float[Vector256<float>.Count];
        for (int channel = 0; channel < _channels; channel++)
        {
            _scale.AsSpan(channel * Features, Features).CopyTo(scale);
            _stepsScale[channel] = Vector256.Create<float>(scale) * Steps;
        }
    }

    private static float Root(int square) => square == PatternCodebook.Nothing ? 0 : MathF.Sqrt(square) / Steps;

    // At most 32 deviations.
    private static short InSteps(float deviations) => (short)MathF.Round(Math.Clamp(deviations * Steps, -StepsMax, StepsMax));

    // The pattern of some rows ago becomes part of the memory, if it was unknown and still is; the present value begins to wait.
    private void Remember(int channel, int slot, float value, bool isOpen)
    {
        ref short delayed = ref _delayed[(channel * DelayRows) + slot];
        float past = delayed / Steps;
        delayed = InSteps(value);
        if ((_unknown[channel] >> slot & 1) == 0)
        {
            Take(past, ref _delayedMeans[channel]);
            return;
        }

        _unknown[channel] &= (ushort)~(1 << slot);
        Vector256<int> pattern = Pattern(channel, past, _delayedMeans);
        if (!_codebook.IsKnown(channel, _codebook.Match(channel, pattern)))
        {
            _codebook.Add(channel, pattern, isNew: isOpen);
        }
    }

    private bool IsSound() => _rows >= 0 && Array.TrueForAll(_means, AreFinite) && Array.TrueForAll(_delayedMeans, AreFinite)
        && Array.TrueForAll(_limit, limit => limit >= 0);

    private static bool AreFinite(Vector128<float> means) => float.IsFinite(Vector128.Sum(means * 0));
}
