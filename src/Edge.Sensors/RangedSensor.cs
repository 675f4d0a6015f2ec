using Edge.Inference;
using Edge.Streams;

namespace Edge.Sensors;

/// <summary>A source of whole rows whose impossible values count as out of range. Live channels check their own.</summary>
internal sealed class RangedSensor : ISensor
{
    private readonly ISensor _source;
    private readonly ValueRange[] _ranges;

    /// <param name="source">The rows. Disposed of with this.</param>
    /// <param name="ranges">By column.</param>
    /// <param name="columns">Columns of the rows.</param>
    /// <exception cref="InputException">There is a range of a column that the rows do not have.</exception>
    private RangedSensor(ISensor source, IReadOnlyDictionary<string, ValueRange> ranges, IReadOnlyList<string> columns)
    {
        string[] unknown = [.. ranges.Keys.Except(columns)];
        if (unknown.Length > 0)
        {
            throw new InputException(
                $"'ranges' has {string.Join(", ", unknown)}, which the model does not read. "
                    + $"The model's columns are {string.Join(", ", columns)}.");
        }

        _source = source;
        _ranges = [.. columns.Select(column => ranges.GetValueOrDefault(column, ValueRange.All))];
    }

    public SourceKind Kind => _source.Kind;

    public long SkippedRows => _source.SkippedRows;

    public string? LastSkip => _source.LastSkip;

    /// <summary>The source itself where it has no ranges.</summary>
    /// <exception cref="InputException">There is a range of a column that the rows do not have; the source is disposed of.</exception>
    internal static ISensor Around(ISensor source, IReadOnlyDictionary<string, ValueRange> ranges, IReadOnlyList<string> columns)
    {
        if (ranges.Count == 0)
        {
            return source;
        }

        try
        {
            return new RangedSensor(source, ranges, columns);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    public void Resume(long rows, DateTime lastTime) => _source.Resume(rows, lastTime);

    public async ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel)
    {
        // A recording gives no reasons, and one object is filled for each row.
        Array.Clear(into.Faults);
        if (!await _source.ReadAsync(into, cancel).ConfigureAwait(false))
        {
            return false;
        }

        for (int column = 0; column < _ranges.Length; column++)
        {
            if (into.Quality[column].IsMeasured() && _ranges[column].Outside(into.Values[column]) is { } fault)
            {
                (into.Values[column], into.Quality[column], into.Faults[column]) = (0, Quality.OutOfRange, fault);
            }
        }

        return true;
    }

    public void Committed() => _source.Committed();

    public void Dispose() => _source.Dispose();
}
