using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Edge.Streams.Detection;

/// <summary>
/// Each channel as a function of the others and of the time of day: a ridge regression on their values, their recent means, their squares
/// and products and a calendar. What is left is small as long as all go together as they did on the calibration rows, whatever the load.
/// </summary>
internal sealed class RelationModel
{
    /// <summary>Most channels: a relation of more is not worth its cost.</summary>
    internal const int ChannelsMax = 32;

    // Products of pairs grow with the square of the channels.
    private const int ProductChannelsMax = 10;

    private readonly int _channels;
    private readonly float[] _weights;

    /// <param name="channels">Number of channels, 1..<see cref="ChannelsMax"/>.</param>
    /// <param name="contexts">Number of means over recent rows, of each other channel.</param>
    /// <param name="isCurved">Whether squares, and products where the channels are few, are among the inputs.</param>
    /// <param name="calendar">What of the time is among the inputs.</param>
    internal RelationModel(int channels, int contexts, bool isCurved, CalendarPart calendar)
    {
        _channels = channels;
        ContextCount = contexts;
        IsCurved = isCurved;
        Calendar = calendar;
        int squares = isCurved ? channels : 0;
        int products = HasProducts ? channels * (channels - 1) / 2 : 0;
        LinearCount = 1 + (channels * (1 + contexts));
        CurvedCount = LinearCount + squares + products;
        FeatureCount = CurvedCount + CalendarTerms.Count(calendar);
        Stride = (FeatureCount + Vector256<float>.Count - 1) / Vector256<float>.Count * Vector256<float>.Count;
        _weights = new float[channels * Stride];
    }

    /// <summary>Whether squares, and products where the channels are few, are among the inputs.</summary>
    internal bool IsCurved { get; }

    /// <summary>What of the time is among the inputs.</summary>
    internal CalendarPart Calendar { get; }

    /// <summary>Number of means over recent rows, of each channel.</summary>
    internal int ContextCount { get; }

    /// <summary>Inputs of all regressions together: 1, values, means, squares and products of pairs, then the calendar.</summary>
    internal int FeatureCount { get; }

    /// <summary>Of the inputs, those up to the means.</summary>
    internal int LinearCount { get; }

    /// <summary>Of the inputs, those up to the squares and products.</summary>
    internal int CurvedCount { get; }

    /// <summary>The inputs, rounded up to whole vectors; those beyond <see cref="FeatureCount"/> are 0.</summary>
    internal int Stride { get; }

    private bool HasProducts => IsCurved && _channels <= ProductChannelsMax;

    /// <summary>Number of means over recent rows of each channel; none of a channel alone, of which they say nothing.</summary>
    /// <param name="channels">Number of channels.</param>
    /// <param name="rows">Calm rows.</param>
    internal static int ContextsOf(int channels, int rows) => channels == 1 ? 0 : RecentMeans.CountOf(rows);

    internal void Archive(StreamSnapshot snapshot) => snapshot.Fields<float>(_weights);

    /// <summary>Sets the weights of a channel: [<see cref="FeatureCount"/>], 0 for an input that is of the channel itself.</summary>
    internal void SetWeights(int channel, ReadOnlySpan<double> weights) => Padded(weights).CopyTo(_weights.AsSpan(channel * Stride));

    /// <summary>Whether the time is among the inputs of a channel that count.</summary>
    internal bool FollowsTime(int channel) =>
        _weights.AsSpan((channel * Stride) + CurvedCount, FeatureCount - CurvedCount).ContainsAnyExcept(0);

    /// <summary>Weights of a channel as <see cref="Dot"/> takes them: [<see cref="Stride"/>].</summary>
    internal float[] Padded(ReadOnlySpan<double> weights)
    {
        var padded = new float[Stride];
        for (int f = 0; f < weights.Length; f++)
        {
            padded[f] = (float)weights[f];
        }

        return padded;
    }

    /// <summary>Whether the regression of a channel may use an input: not if it is of the channel itself.</summary>
    internal bool IsInput(int channel, int feature)
    {
        if (feature < LinearCount)
        {
            return feature == 0 || (feature - 1) % _channels != channel;
        }

        (int first, int second) = feature < CurvedCount ? Pair(feature - LinearCount) : (-1, -1);
        return first != channel && second != channel;
    }

    /// <summary>The inputs.</summary>
    /// <param name="row">Values of all channels.</param>
    /// <param name="means">Recent means: [contexts, channels].</param>
    /// <param name="terms">Of the calendar: those of now, at least.</param>
    /// <param name="features">[<see cref="Stride"/>]; only the first <see cref="FeatureCount"/> are set.</param>
    internal void Features(ReadOnlySpan<float> row, ReadOnlySpan<float> means, ReadOnlySpan<float> terms, Span<float> features)
    {
        features[0] = 1;
        row.CopyTo(features[1..]);
        means[..(ContextCount * _channels)].CopyTo(features[(1 + _channels)..]);
        terms[..(FeatureCount - CurvedCount)].CopyTo(features[CurvedCount..]);
        int at = LinearCount;
        for (int first = 0; IsCurved && first < row.Length; first++)
        {
            features[at++] = row[first] * row[first];
        }

        for (int first = 1; HasProducts && first < row.Length; first++)
        {
            for (int second = 0; second < first; second++)
            {
                features[at++] = row[first] * row[second];
            }
        }
    }

    /// <summary>What the others say about a channel.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="features">The inputs, [<see cref="Stride"/>].</param>
    internal float Predict(int channel, ReadOnlySpan<float> features) => Dot(_weights.AsSpan(channel * Stride, Stride), features);

    /// <summary>What the others say about each channel.</summary>
    /// <param name="features">The inputs, [<see cref="Stride"/>].</param>
    /// <param name="predictions">[channels]; the same bits as of <see cref="Predict(int, ReadOnlySpan{float})"/>.</param>
    internal void Predict(ReadOnlySpan<float> features, Span<float> predictions)
    {
        ReadOnlySpan<Vector256<float>> weights = MemoryMarshal.Cast<float, Vector256<float>>(_weights);
        ReadOnlySpan<Vector256<float>> inputs = MemoryMarshal.Cast<float, Vector256<float>>(features);
        int channel = 0;

        // Four sums at a time: each waits for its own last addition only.
        for (; channel <= predictions.Length - 4; channel += 4)
        {
            ReadOnlySpan<Vector256<float>> first = weights.Slice(channel * inputs.Length, inputs.Length);
            ReadOnlySpan<Vector256<float>> second = weights.Slice((channel + 1) * inputs.Length, inputs.Length);
            ReadOnlySpan<Vector256<float>> third = weights.Slice((channel + 2) * inputs.Length, inputs.Length);
            ReadOnlySpan<Vector256<float>> fourth = weights.Slice((channel + 3) * inputs.Length, inputs.Length);
            (Vector256<float> a, Vector256<float> b) = (Vector256<float>.Zero, Vector256<float>.Zero);
            (Vector256<float> c, Vector256<float> d) = (Vector256<float>.Zero, Vector256<float>.Zero);
            for (int at = 0; at < inputs.Length; at++)
            {
                Vector256<float> input = inputs[at];
                a += first[at] * input;
                b += second[at] * input;
                c += third[at] * input;
                d += fourth[at] * input;
            }

            (predictions[channel], predictions[channel + 1]) = (Sum(a), Sum(b));
            (predictions[channel + 2], predictions[channel + 3]) = (Sum(c), Sum(d));
        }

        for (; channel < predictions.Length; channel++)
        {
            predictions[channel] = Predict(channel, features);
        }
    }

    /// <summary>A sum of products in eight parts, the same bits on every processor. Both are [<see cref="Stride"/>].</summary>
    internal static float Dot(ReadOnlySpan<float> ofChannel, ReadOnlySpan<float> features)
    {
        ReadOnlySpan<Vector256<float>> weights = MemoryMarshal.Cast<float, Vector256<float>>(ofChannel);
        ReadOnlySpan<Vector256<float>> inputs = MemoryMarshal.Cast<float, Vector256<float>>(features);
        Vector256<float> sum = Vector256<float>.Zero;
        for (int at = 0; at < weights.Length; at++)
        {
            sum += weights[at] * inputs[at];
        }

        return Sum(sum);
    }

    /// <summary>
    /// What is left of a residual that the course of the day an hour earlier or later does not explain: clocks change, and people do not
    /// come at the same minute. Of a residual that is three times as large, it explains nothing.
    /// </summary>
    /// <param name="channel">The channel.</param>
    /// <param name="residual">Its residual.</param>
    /// <param name="terms">Of the calendar, as <see cref="CalendarTerms.FillAround"/> gives them.</param>
    /// <param name="course">What is added to the first of the weights of the calendar.</param>
    internal float BeyondAnHour(int channel, float residual, ReadOnlySpan<float> terms, ReadOnlySpan<float> course)
    {
        int count = FeatureCount - CurvedCount;
        ReadOnlySpan<float> weights = _weights.AsSpan((channel * Stride) + CurvedCount, count);
        (float ago, float ahead) = (0, 0);
        for (int at = 0; at < count; at++)
        {
            float weight = weights[at] + (at < course.Length ? course[at] : 0);
            ago += weight * (terms[count + at] - terms[at]);
            ahead += weight * (terms[count + count + at] - terms[at]);
        }

        float tolerated = residual < 0 ? -Math.Min(0, Math.Min(ago, ahead)) : Math.Max(0, Math.Max(ago, ahead));
        float size = Math.Abs(residual);
        float beyond = size < 2 * tolerated ? Math.Max(0, size - tolerated) : Math.Min(size, (2 * size) - (3 * tolerated));
        return residual < 0 ? -beyond : beyond;
    }

    private static float Sum(Vector256<float> parts)
    {
        Vector128<float> half = parts.GetLower() + parts.GetUpper();
        return half[0] + half[2] + (half[1] + half[3]);
    }

    /// <summary>
    /// How far the prediction of <paramref name="channel"/> moves if <paramref name="other"/> is off by 1, near the row.
    /// </summary>
    /// <param name="channel">The channel that is predicted.</param>
    /// <param name="other">The channel that is off.</param>
    /// <param name="row">Values of all channels.</param>
    /// <param name="rows">For how many rows it has been off: the recent means have moved by so much.</param>
    internal double Gain(int channel, int other, ReadOnlySpan<float> row, int rows)
    {
        ReadOnlySpan<float> weights = _weights.AsSpan(channel * Stride, Stride);
        double gain = weights[1 + other];
        for (int context = 0; context < ContextCount; context++)
        {
            gain += weights[1 + ((context + 1) * _channels) + other] * (1 - RecentMeans.Retained(context, rows));
        }

        for (int feature = LinearCount; feature < CurvedCount; feature++)
        {
            (int first, int second) = Pair(feature - LinearCount);
            gain += weights[feature] * ((first == other ? row[second] : 0) + (second == other ? row[first] : 0));
        }

        return gain;
    }

    // The channels whose product is the curved input at a position: the squares come first.
    private (int First, int Second) Pair(int position)
    {
        if (position < _channels)
        {
            return (position, position);
        }

        position -= _channels;
        int first = 1;
        while (position >= first)
        {
            position -= first++;
        }

        return (first, position);
    }
}
