namespace Edge.Streams.Detection;

/// <summary>
/// Keeps the first rows of a stream until they are enough to learn from: for a model whose calibration rows are several recordings that
/// differ in their levels, so that they say little about the next one.
/// </summary>
internal sealed class FirstRows
{
    /// <summary>Number of rows.</summary>
    internal const int Count = WarmUpChart.Rows;

    private readonly int _channels;
    private readonly float[] _values;
    private int _rows;

    internal FirstRows(int channels)
    {
        _channels = channels;
        _values = new float[Count * channels];
    }

    /// <summary>Whether so many rows show how so many channels go together.</summary>
    internal static bool Suffice(int channels) => channels > 1 && RelationLearner.Suffices(channels, Count, isCurved: false);

    /// <summary>Reads or writes the rows so far; of the same length however many there are.</summary>
    /// <exception cref="InvalidDataException">What was read is damaged.</exception>
    internal void Archive(StreamSnapshot snapshot)
    {
        _rows = snapshot.Field(_rows);
        snapshot.Fields<float>(_values);
        if (_rows is < 0 or > Count || !Array.TrueForAll(_values, float.IsFinite))
        {
            throw new InvalidDataException("The first rows are damaged.");
        }
    }

    /// <summary>Takes one row; those beyond <see cref="Count"/> are left out.</summary>
    internal void Observe(ReadOnlySpan<float> row)
    {
        if (_rows < Count)
        {
            row.CopyTo(_values.AsSpan(_rows * _channels));
            _rows++;
        }
    }

    /// <summary>A row as it was given.</summary>
    internal ReadOnlySpan<float> Row(int row) => _values.AsSpan(row * _channels, _channels);

    /// <summary>What is normal, as if the first rows were the calibration rows.</summary>
    /// <param name="unit">The profile in whose deviations the rows are.</param>
    internal NormalProfile Learn(NormalProfile unit)
    {
        float[] normalized = [.. _values.Select((value, at) => unit.Normalized(at % _channels, value))];
        return NormalProfileLearner.LearnFirst(normalized, Count, _channels);
    }
}
