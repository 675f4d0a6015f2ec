using System.Text.Json;
using Edge.Runtime.Payloads;

namespace Edge.Runtime.Web;

/// <summary>Points in the order of time, column by column, as the page draws them.</summary>
/// <param name="columns">Columns of the stream.</param>
internal sealed class Series(int columns)
{
    private readonly List<long> _times = [];
    private readonly List<float> _scores = [];
    private readonly List<float>[] _mean = Lists<float>(columns);
    private readonly List<float>[] _min = Lists<float>(columns);
    private readonly List<float>[] _max = Lists<float>(columns);
    private readonly List<float>[] _low = Lists<float>(columns);
    private readonly List<float>[] _high = Lists<float>(columns);
    private readonly List<byte>[] _quality = Lists<byte>(columns);

    internal int Count => _times.Count;

    /// <summary>Time of the first point, in ms since 1970.</summary>
    internal long FirstTime => _times[0];

    /// <summary>Adds the points of another series, which are newer.</summary>
    internal void Append(Series newer)
    {
        _times.AddRange(newer._times);
        _scores.AddRange(newer._scores);
        for (int column = 0; column < columns; column++)
        {
            _mean[column].AddRange(newer._mean[column]);
            _min[column].AddRange(newer._min[column]);
            _max[column].AddRange(newer._max[column]);
            _low[column].AddRange(newer._low[column]);
            _high[column].AddRange(newer._high[column]);
            _quality[column].AddRange(newer._quality[column]);
        }
    }

    internal void Clear()
    {
        _times.Clear();
        _scores.Clear();
        for (int column = 0; column < columns; column++)
        {
            _mean[column].Clear();
            _min[column].Clear();
            _max[column].Clear();
            _low[column].Clear();
            _high[column].Clear();
            _quality[column].Clear();
        }
    }

    internal void Add(
        long timeMs, ReadOnlySpan<float> mean, ReadOnlySpan<float> min, ReadOnlySpan<float> max, ReadOnlySpan<float> low,
        ReadOnlySpan<float> high, ReadOnlySpan<byte> quality, float score)
    {
        _times.Add(timeMs);
        _scores.Add(score);
        for (int column = 0; column < columns; column++)
        {
            _mean[column].Add(mean[column]);
            _min[column].Add(min[column]);
            _max[column].Add(max[column]);
            _low[column].Add(low[column]);
            _high[column].Add(high[column]);
            _quality[column].Add(quality[column]);
        }
    }

    /// <summary>Adds a point without any value, where rows are missing: curves have a gap there.</summary>
    internal void AddBreak(long timeMs)
    {
        _times.Add(timeMs);
        _scores.Add(float.NaN);
        for (int column = 0; column < columns; column++)
        {
            foreach (List<float>[] values in new[] { _mean, _min, _max, _low, _high })
            {
                values[column].Add(float.NaN);
            }

            _quality[column].Add(0);
        }
    }

    /// <summary>
    /// As at most about <paramref name="pointsMax"/> points, and the breaks between them: neighbors become one, with the smallest and the
    /// largest of their values, the mean of their means and the largest score.
    /// </summary>
    internal Series Thinned(int pointsMax)
    {
        if (Count <= pointsMax)
        {
            return this;
        }

        int size = (Count + pointsMax - 1) / pointsMax;
        var thin = new Series(columns);
        Span<float> row = new float[5 * columns];
        Span<byte> quality = new byte[columns];
        for (int begin = 0, end; begin < Count; begin = end)
        {
            end = EndOf(begin, size);
            for (int column = 0; column < columns; column++)
            {
                row[column] = Mean(_mean[column], begin, end);
                row[columns + column] = Extreme(_min[column], begin, end, -1);
                row[(2 * columns) + column] = Extreme(_max[column], begin, end, 1);
                row[(3 * columns) + column] = _low[column][end - 1];
                row[(4 * columns) + column] = _high[column][end - 1];
                quality[column] = Worst(_quality[column], begin, end);
            }

            thin.Add(
                _times[end - 1], row[..columns], row.Slice(columns, columns), row.Slice(2 * columns, columns),
                row.Slice(3 * columns, columns), row.Slice(4 * columns, columns), quality, Extreme(_scores, begin, end, 1));
        }

        return thin;
    }

    /// <summary>Writes the arrays. Smallest and largest values are left out while no point has more than one.</summary>
    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartArray("t");
        foreach (long time in _times)
        {
            json.WriteNumberValue(time);
        }

        json.WriteEndArray();
        json.WriteStartArray("score");
        foreach (float score in _scores)
        {
            WriteValue(json, score);
        }

        json.WriteEndArray();
        Write(json, "v", _mean);
        bool isThinned = Enumerable.Range(0, columns).Any(column => !_min[column].SequenceEqual(_max[column]));
        if (isThinned)
        {
            Write(json, "min", _min);
            Write(json, "max", _max);
        }

        Write(json, "low", _low);
        Write(json, "high", _high);
        json.WriteStartArray("q");
        foreach (List<byte> quality in _quality)
        {
            json.WriteStringValue(string.Create(quality.Count, quality, static (text, from) =>
            {
                for (int i = 0; i < text.Length; i++)
                {
                    text[i] = (char)('0' + from[i]);
                }
            }));
        }

        json.WriteEndArray();
    }

    /// <summary>Writes the means of a column as values of the current array.</summary>
    internal void WriteMeans(Utf8JsonWriter json, int column)
    {
        foreach (float value in _mean[column])
        {
            WriteValue(json, value);
        }
    }

    /// <summary>Writes a number with the digits that a float32 carries, or null.</summary>
    internal static void WriteValue(Utf8JsonWriter json, double value)
    {
        if (double.IsFinite(value))
        {
            StreamPayloads.WriteRounded(json, value);
        }
        else
        {
            json.WriteNullValue();
        }
    }

    private static void Write(Utf8JsonWriter json, string name, List<float>[] series)
    {
        json.WriteStartArray(name);
        foreach (List<float> column in series)
        {
            json.WriteStartArray();
            foreach (float value in column)
            {
                WriteValue(json, value);
            }

            json.WriteEndArray();
        }

        json.WriteEndArray();
    }

    // Neighbors from a point on that become one: a break is on its own.
    private int EndOf(int begin, int size)
    {
        int end = begin + 1;
        while (end < Count && end - begin < size && !IsBreak(end) && !IsBreak(begin))
        {
            end++;
        }

        return end;
    }

    // Every other point has a score.
    private bool IsBreak(int at) => float.IsNaN(_scores[at]);

    private static float Mean(List<float> values, int begin, int end)
    {
        (double sum, int count) = (0, 0);
        for (int i = begin; i < end; i++)
        {
            if (!float.IsNaN(values[i]))
            {
                (sum, count) = (sum + values[i], count + 1);
            }
        }

        return count == 0 ? float.NaN : (float)(sum / count);
    }

    private static float Extreme(List<float> values, int begin, int end, int sign)
    {
        float extreme = float.NaN;
        for (int i = begin; i < end; i++)
        {
            extreme = float.IsNaN(values[i]) || sign * extreme >= sign * values[i] ? extreme : values[i];
        }

        return extreme;
    }

    private static byte Worst(List<byte> quality, int begin, int end)
    {
        byte worst = 0;
        for (int i = begin; i < end; i++)
        {
            worst = quality[i] != 0 ? quality[i] : worst;
        }

        return worst;
    }

    private static List<T>[] Lists<T>(int count) => [.. Enumerable.Range(0, count).Select(_ => new List<T>())];
}
