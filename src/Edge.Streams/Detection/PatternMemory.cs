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
    private const int Lanes = PatternCodebook.Lanes;
    private const float ShortRate = 1f / 4;
    private const float LongRate = 1f / 16;

    // Of a channel: the means of its value over about 4 and 16 rows, and those of its square.
    private const int Means = 4;

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

    // Eight channels lie side by side. [blocks, features]: the scale of the features, in steps.
    private readonly Vector256<float>[] _stepsScale;

    // [blocks, means]: of the present, and of the row that is remembered next.
    private readonly Vector256<float>[] _means;
    private readonly Vector256<float>[] _delayedMeans;

    // [slots, channels of all blocks]: the last values, in steps.
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
        int blocks = (channels + Lanes - 1) / Lanes;
        _stepsScale = new Vector256<float>[blocks * Features];
        SetStepsScale();
        _means = new Vector256<float>[blocks * Means];
        _delayedMeans = new Vector256<float>[blocks * Means];
        _delayed = new short[DelayRows * blocks * Lanes];
        _unknown = new ushort[channels];
        _codebook = new PatternCodebook(channels);
        _bins = new ushort[channels * TailHistogram.Bins];
        _limit = new float[blocks * Lanes];
        _ratio = new float[blocks * Lanes];
    }

    /// <summary>Distance to the nearest pattern over the limit, of each channel; abnormal from 1 on.</summary>
    internal ReadOnlySpan<float> Ratios => _ratio.AsSpan(0, _channels);

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
        ArchiveMeans(snapshot, _means);
        ArchiveMeans(snapshot, _delayedMeans);
        ArchiveDelayed(snapshot);
        _codebook.Archive(snapshot);
        snapshot.Fields<ushort>(_bins);
        snapshot.Fields(_limit.AsSpan(0, _channels));
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
        if (_rows == 0)
        {
            for (int channel = 0; channel < _channels; channel++)
            {
                Restart(channel, row[channel]);
            }
        }

        int slot = (int)(_rows % DelayRows);
        for (int first = 0; first < _channels; first += Lanes)
        {
            Vector256<float> values = Load(row[first..]);
            Remember(first, slot, values, isOpen);
            Compare(first, slot, values, isOpen);
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

    /// <summary>Features of all channels at this row, unscaled: what <see cref="SetScale"/> wants the deviations of.</summary>
    /// <param name="row">The row.</param>
    /// <param name="features">[channels, features].</param>
    internal void Measure(ReadOnlySpan<float> row, Span<float> features)
    {
        Span<Vector256<float>> all = stackalloc Vector256<float>[Features];
        for (int channel = 0; channel < _channels; channel++)
        {
            if (channel % Lanes == 0)
            {
                Measure(Load(row[channel..]), MeansOf(_means, channel), all);
            }

            for (int f = 0; f < Features; f++)
            {
                features[(channel * Features) + f] = all[f][channel % Lanes];
            }
        }
    }

    // The next eight values; 0 behind the last channel.
    private static Vector256<float> Load(ReadOnlySpan<float> values)
    {
        if (values.Length >= Lanes)
        {
            return Vector256.Create(values);
        }

        Span<float> eight = stackalloc float[Lanes];
        eight.Clear();
        values.CopyTo(eight);
        return Vector256.Create<float>(eight);
    }

    private static Span<Vector256<float>> MeansOf(Vector256<float>[] means, int first) => means.AsSpan(first / Lanes * Means, Means);

    // The values, their means, and their deviations.
    private static void Measure(Vector256<float> values, Span<Vector256<float>> means, Span<Vector256<float>> features)
    {
        Take(values, means);
        features[0] = values;
        features[1] = means[0];
        features[2] = means[1];
        features[3] = Vector256.Sqrt(Vector256.Max(Vector256<float>.Zero, means[2] - (means[0] * means[0])));
        features[4] = Vector256.Sqrt(Vector256.Max(Vector256<float>.Zero, means[3] - (means[1] * means[1])));
    }

    private static void Take(Vector256<float> values, Span<Vector256<float>> means)
    {
        Vector256<float> squares = values * values;
        means[0] += ShortRate * (values - means[0]);
        means[1] += LongRate * (values - means[1]);
        means[2] += ShortRate * (squares - means[2]);
        means[3] += LongRate * (squares - means[3]);
    }

    private Span<ushort> BinsOf(int channel) => _bins.AsSpan(channel * TailHistogram.Bins, TailHistogram.Bins);

    /// <summary>Starts the means of a channel at a value.</summary>
    internal void Restart(int channel, float value)
    {
        float square = value * value;
        (int block, int lane) = (channel / Lanes, channel % Lanes);
        for (int mean = 0; mean < Means; mean++)
        {
            int at = (block * Means) + mean;
            float start = mean < 2 ? value : square;
            _means[at] = _means[at].WithElement(lane, start);
            _delayedMeans[at] = _delayedMeans[at].WithElement(lane, start);
        }

        short inSteps = (short)Rounded(Vector256.Create(value * Steps))[0];
        for (int slot = 0; slot < DelayRows; slot++)
        {
            _delayed[(slot * _limit.Length) + channel] = inSteps;
        }

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

    // Patterns of eight channels, in steps: [features].
    private void Measure(int first, Vector256<float> values, Vector256<float>[] means, Span<Vector256<int>> patterns)
    {
        Span<Vector256<float>> features = stackalloc Vector256<float>[Features];
        Measure(values, MeansOf(means, first), features);
        for (int f = 0; f < Features; f++)
        {
            patterns[f] = Rounded(features[f] * _stepsScale[(first / Lanes * Features) + f]);
        }
    }

    // At most 32 deviations.
    private static Vector256<int> Rounded(Vector256<float> steps) =>
        Vector256.ConvertToInt32(Vector256.Round(Vector256.Clamp(steps, Vector256.Create(-StepsMax), Vector256.Create(StepsMax))));

    private void SetStepsScale()
    {
        for (int channel = 0; channel < _channels; channel++)
        {
            for (int f = 0; f < Features; f++)
            {
                ref Vector256<float> scale = ref _stepsScale[(channel / Lanes * Features) + f];
                scale = scale.WithElement(channel % Lanes, _scale[(channel * Features) + f] * Steps);
            }
        }
    }

    private static Vector256<float> Root(Vector256<int> squares)
    {
        Vector256<float> roots = Vector256.Sqrt(Vector256.ConvertToSingle(squares)) / Vector256.Create(Steps);
        return Vector256.ConditionalSelect(
            Vector256.Equals(squares, Vector256.Create(PatternCodebook.Nothing)).AsSingle(), Vector256<float>.Zero, roots);
    }

    // The pattern of some rows ago becomes part of the memory, if it was unknown and still is; the present value begins to wait.
    private void Remember(int first, int slot, Vector256<float> values, bool isOpen)
    {
        ref short delayed = ref _delayed[(slot * _limit.Length) + first];
        Vector256<float> past = Vector256.ConvertToSingle(Vector256.WidenLower(Vector128.LoadUnsafe(ref delayed).ToVector256Unsafe()))
            / Vector256.Create(Steps);
        Vector256<int> steps = Rounded(values * Vector256.Create(Steps));
        Vector128.Narrow(steps.GetLower(), steps.GetUpper()).StoreUnsafe(ref delayed);
        int last = Math.Min(first + Lanes, _channels);
        int unknown = 0;
        for (int channel = first; channel < last; channel++)
        {
            unknown |= _unknown[channel];
        }

        if ((unknown >> slot & 1) == 0)
        {
            Take(past, MeansOf(_delayedMeans, first));
            return;
        }

        Span<Vector256<int>> patterns = stackalloc Vector256<int>[Features];
        Measure(first, past, _delayedMeans, patterns);
        for (int channel = first; channel < last; channel++)
        {
            if ((_unknown[channel] >> slot & 1) != 0)
            {
                _unknown[channel] &= (ushort)~(1 << slot);
                if (!_codebook.IsKnown(channel, _codebook.Match(channel, patterns)))
                {
                    _codebook.Add(channel, patterns, isNew: isOpen);
                }
            }
        }
    }

    private void Compare(int first, int slot, Vector256<float> values, bool isOpen)
    {
        Span<Vector256<int>> patterns = stackalloc Vector256<int>[Features];
        Measure(first, values, _means, patterns);
        Span<int> squares = stackalloc int[Lanes];
        Span<int> squaresToOld = stackalloc int[Lanes];
        squares.Clear();
        squaresToOld.Clear();
        int last = Math.Min(first + Lanes, _channels);
        for (int channel = first; channel < last; channel++)
        {
            int square = _codebook.Match(channel, patterns);
            _unknown[channel] |= (ushort)(_codebook.IsKnown(channel, square) ? 0 : 1 << slot);
            squares[channel - first] = square;
            squaresToOld[channel - first] = isOpen ? _codebook.SquareToOld(channel, patterns, square) : square;
        }

        Vector256<float> distances = Root(Vector256.Create<int>(squares));
        Vector256<float> strangeness = isOpen ? Root(Vector256.Create<int>(squaresToOld)) : distances;
        Vector256<float> limits = Vector256.LoadUnsafe(ref _limit[first]);
        Vector256<float> ratios = Vector256.ConditionalSelect(
            Vector256.GreaterThan(limits, Vector256<float>.Zero), strangeness / limits, Vector256<float>.Zero);
        ratios.StoreUnsafe(ref _ratio[first]);
        for (int channel = first; channel < last && _rows >= FirstRows; channel++)
        {
            TailHistogram.Add(BinsOf(channel), distances[channel - first]);
        }
    }

    private void ArchiveMeans(StreamSnapshot snapshot, Vector256<float>[] means)
    {
        Span<float> ofChannel = stackalloc float[Means];
        for (int channel = 0; channel < _channels; channel++)
        {
            Span<Vector256<float>> ofBlock = MeansOf(means, channel);
            for (int mean = 0; mean < Means; mean++)
            {
                ofChannel[mean] = ofBlock[mean][channel % Lanes];
            }

            snapshot.Fields(ofChannel);
            for (int mean = 0; mean < Means; mean++)
            {
                ofBlock[mean] = ofBlock[mean].WithElement(channel % Lanes, ofChannel[mean]);
            }
        }
    }

    private void ArchiveDelayed(StreamSnapshot snapshot)
    {
        Span<short> ofChannel = stackalloc short[DelayRows];
        for (int channel = 0; channel < _channels; channel++)
        {
            for (int slot = 0; slot < DelayRows; slot++)
            {
                ofChannel[slot] = _delayed[(slot * _limit.Length) + channel];
            }

            snapshot.Fields(ofChannel);
            for (int slot = 0; slot < DelayRows; slot++)
            {
                _delayed[(slot * _limit.Length) + channel] = ofChannel[slot];
            }
        }
    }

    private bool IsSound() => _rows >= 0 && Array.TrueForAll(_means, AreFinite) && Array.TrueForAll(_delayedMeans, AreFinite)
        && Array.TrueForAll(_limit, limit => limit >= 0);

    private static bool AreFinite(Vector256<float> means) => float.IsFinite(Vector256.Sum(means * 0));
}
