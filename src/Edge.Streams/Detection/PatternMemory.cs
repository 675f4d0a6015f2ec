using System.Runtime.Intrinsics;

namespace Edge.Streams.Detection;

/// <summary>
/// Remembers what every channel has looked like, and says how far the present is from all of it. A pattern is the value, its mean over
/// about 4 and 16 rows, and its deviation over the same; the memory is a codebook that grows coarser when it is full and never forgets.
/// The first reading of a kind is unknown; the next ones are not. Each channel is on its own.
/// </summary>
internal sealed class PatternMemory
{
    private const int Features = 5;
    private const int MeansAChannel = 4;
    private const int Lanes = 8;
    private const float ShortRate = 1f / 4;
    private const float LongRate = 1f / 16;

    // Codes of all channels together, and of one channel.
    private const int CodesTotal = 96;
    private const int CodesMin = 16;

    /// <summary>A pattern becomes part of the memory this many rows later, so that the present is not compared with itself.</summary>
    internal const int DelayRows = 16;

    // The means have settled after this many rows.
    private const int FirstRows = 50;

    // Patterns are stored in this fraction of a calm deviation.
    private const float Steps = 256;
    private const float StepsMax = 8191;

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
    private readonly int _codesMax;
    private readonly float[] _scale;
    private readonly float[] _means;
    private readonly float[] _delayedMeans;
    private readonly short[] _delayed;
    private readonly short[] _pattern;
    private readonly short[] _codes;
    private readonly ushort[] _weights;
    private readonly int[] _count;
    private readonly int[] _radius;
    private readonly ushort[] _bins;
    private readonly float[] _limit;
    private readonly float[] _ratio;
    private double _probability = 1e-6;
    private long _rows;
    private long _restartedAt;

    /// <param name="channels">Number of channels.</param>
    internal PatternMemory(int channels)
    {
        _channels = channels;
        _codesMax = Math.Max(CodesMin, CodesTotal / channels / Lanes * Lanes);
        _scale = new float[channels * Features];
        Array.Fill(_scale, 1);
        _means = new float[channels * MeansAChannel];
        _delayedMeans = new float[channels * MeansAChannel];
        _delayed = new short[channels * DelayRows];
        _pattern = new short[Features];
        _codes = new short[channels * _codesMax * Features];
        _weights = new ushort[channels * _codesMax];
        _count = new int[channels];
        _radius = new int[channels];
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
    }

    internal void Archive(StreamSnapshot snapshot)
    {
        _rows = snapshot.Field(_rows);
        _restartedAt = snapshot.Field(_restartedAt);
        snapshot.Fields<float>(_means);
        snapshot.Fields<float>(_delayedMeans);
        snapshot.Fields<short>(_delayed);
        snapshot.Fields<short>(_codes);
        snapshot.Fields<ushort>(_weights);
        snapshot.Fields<int>(_count);
        snapshot.Fields<int>(_radius);
        snapshot.Fields<ushort>(_bins);
        snapshot.Fields<float>(_limit);
        if (snapshot.IsReading && !IsSound())
        {
            throw new InvalidDataException("The memory of patterns is damaged.");
        }
    }

    /// <summary>Takes one row, normalized.</summary>
    internal void Observe(ReadOnlySpan<float> row)
    {
        for (int channel = 0; channel < _channels; channel++)
        {
            if (_rows == 0)
            {
                Restart(channel, row[channel]);
            }

            Remember(channel, row[channel]);
            SetPattern(channel, row[channel], _means);
            int count = _count[channel];
            float distance = count == 0 ? 0 : MathF.Sqrt(Nearest(channel, _pattern, out _)) / Steps;
            _ratio[channel] = _limit[channel] > 0 ? distance / _limit[channel] : 0;
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

        _restartedAt = _rows;
    }

    /// <summary>Features of a channel at this row, unscaled: what <see cref="SetScale"/> wants the deviations of.</summary>
    internal void Measure(int channel, float value, Span<float> features) => Measure(channel, value, _means, features);

    private static void Measure(int channel, float value, float[] allMeans, Span<float> features)
    {
        Span<float> means = allMeans.AsSpan(channel * MeansAChannel, MeansAChannel);
        float square = value * value;
        means[0] += ShortRate * (value - means[0]);
        means[1] += LongRate * (value - means[1]);
        means[2] += ShortRate * (square - means[2]);
        means[3] += LongRate * (square - means[3]);
        features[0] = value;
        features[1] = means[0];
        features[2] = means[1];
        features[3] = MathF.Sqrt(Math.Max(0, means[2] - (means[0] * means[0])));
        features[4] = MathF.Sqrt(Math.Max(0, means[3] - (means[1] * means[1])));
    }

    private Span<ushort> BinsOf(int channel) => _bins.AsSpan(channel * TailHistogram.Bins, TailHistogram.Bins);

    // Codes lie feature by feature, so that eight are compared at once: [channels, features, codes].
    private Span<short> Codes(int channel, int feature) => _codes.AsSpan(((channel * Features) + feature) * _codesMax, _codesMax);

    /// <summary>Starts the means of a channel at a value.</summary>
    internal void Restart(int channel, float value)
    {
        Span<float> means = _means.AsSpan(channel * MeansAChannel, MeansAChannel);
        means[0] = means[1] = value;
        means[2] = means[3] = value * value;
        means.CopyTo(_delayedMeans.AsSpan(channel * MeansAChannel));
        _delayed.AsSpan(channel * DelayRows, DelayRows).Fill(InSteps(value));
    }

    private void RefreshLimits()
    {
        double youngRows = YoungRows * Math.Min(1, Math.Sqrt(_probability / YoungProbability));
        double young = Math.Max(1, youngRows / Math.Max(1, _rows - FirstRows));
        for (int channel = 0; channel < _channels; channel++)
        {
            double limit = TailHistogram.Limit(BinsOf(channel), _probability * young, ExcessMin);
            _limit[channel] = double.IsFinite(limit) ? (float)limit : 0;
        }
    }

    private void SetPattern(int channel, float value, float[] means)
    {
        Span<float> features = stackalloc float[Features];
        Measure(channel, value, means, features);
        for (int f = 0; f < Features; f++)
        {
            _pattern[f] = InSteps(features[f] * _scale[(channel * Features) + f]);
        }
    }

    // At most 32 deviations, so that a squared distance fits an int.
    private static short InSteps(float deviations) => (short)MathF.Round(Math.Clamp(deviations * Steps, -StepsMax, StepsMax));

    // Squared distance to the nearest code, in steps.
    private int Nearest(int channel, ReadOnlySpan<short> pattern, out int nearest)
    {
        int count = _count[channel];
        Vector256<int> least = Vector256.Create(int.MaxValue);
        Vector256<int> leastAt = Vector256<int>.Zero;
        Vector256<int> position = Vector256.Create(0, 1, 2, 3, 4, 5, 6, 7);
        ReadOnlySpan<short> codes = _codes.AsSpan(channel * Features * _codesMax, Features * _codesMax);
        for (int code = 0; code < count; code += Lanes)
        {
            Vector256<int> distance = Vector256<int>.Zero;
            for (int f = 0; f < Features; f++)
            {
                Vector128<short> eight = Vector128.Create(codes.Slice((f * _codesMax) + code, Lanes));
                Vector256<int> difference = Vector256.Create(Vector128.WidenLower(eight), Vector128.WidenUpper(eight))
                    - Vector256.Create((int)pattern[f]);
                distance += difference * difference;
            }

            Vector256<int> isLess = Vector256.LessThan(distance, least) & Vector256.LessThan(position, Vector256.Create(count));
            least = Vector256.ConditionalSelect(isLess, distance, least);
            leastAt = Vector256.ConditionalSelect(isLess, position, leastAt);
            position += Vector256.Create(Lanes);
        }

        nearest = leastAt[0];
        int result = least[0];
        for (int lane = 1; lane < Lanes; lane++)
        {
            if (least[lane] < result)
            {
                result = least[lane];
                nearest = leastAt[lane];
            }
        }

        return result;
    }

    private int Distance(int channel, int first, int second)
    {
        int sum = 0;
        for (int f = 0; f < Features; f++)
        {
            ReadOnlySpan<short> codes = Codes(channel, f);
            int difference = codes[first] - codes[second];
            sum += difference * difference;
        }

        return sum;
    }

    // The pattern of some rows ago becomes part of the memory; the present value begins to wait.
    private void Remember(int channel, float value)
    {
        ref short delayed = ref _delayed[(channel * DelayRows) + (int)(_rows % DelayRows)];
        SetPattern(channel, delayed / Steps, _delayedMeans);
        delayed = InSteps(value);
        if (_rows - _restartedAt >= DelayRows)
        {
            Remember(channel, _pattern);
        }
    }

    private void Remember(int channel, ReadOnlySpan<short> pattern)
    {
        ref int count = ref _count[channel];
        Span<ushort> weights = _weights.AsSpan(channel * _codesMax, _codesMax);
        if (count > 0 && Nearest(channel, pattern, out int nearest) <= _radius[channel])
        {
            weights[nearest] += (ushort)(weights[nearest] < ushort.MaxValue ? 1 : 0);
            return;
        }

        if (count == _codesMax)
        {
            MergeNearest(channel);
        }

        for (int f = 0; f < Features; f++)
        {
            Codes(channel, f)[count] = pattern[f];
        }

        weights[count] = 1;
        count++;
    }

    // Makes room: the two codes that are nearest to each other become one, and the memory that much coarser.
    private void MergeNearest(int channel)
    {
        ref int count = ref _count[channel];
        Span<ushort> weights = _weights.AsSpan(channel * _codesMax, _codesMax);
        int least = int.MaxValue;
        (int first, int second) = (0, 1);
        for (int a = 1; a < count; a++)
        {
            for (int b = 0; b < a; b++)
            {
                int distance = Distance(channel, a, b);
                if (distance < least)
                {
                    (least, first, second) = (distance, b, a);
                }
            }
        }

        _radius[channel] = Math.Max(_radius[channel], least);
        int total = Math.Max(1, weights[first] + weights[second]);
        count--;
        for (int f = 0; f < Features; f++)
        {
            Span<short> codes = Codes(channel, f);
            codes[first] = (short)((((long)codes[first] * weights[first]) + ((long)codes[second] * weights[second])) / total);
            codes[second] = codes[count];
        }

        weights[first] = (ushort)Math.Min(total, ushort.MaxValue);
        weights[second] = weights[count];
    }

    private bool IsSound()
    {
        foreach (int count in _count)
        {
            if (count < 0 || count > _codesMax)
            {
                return false;
            }
        }

        return _rows >= 0 && Array.TrueForAll(_codes, code => Math.Abs((int)code) <= StepsMax)
            && Array.TrueForAll(_means, float.IsFinite) && Array.TrueForAll(_delayedMeans, float.IsFinite)
            && Array.TrueForAll(_limit, limit => limit >= 0);
    }
}
