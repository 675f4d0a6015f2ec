using Edge.Streams;

namespace Edge.Runtime.Tests;

/// <summary>Rows from a list, a second apart; a null is a channel without a value.</summary>
internal sealed class ListSensor(IEnumerable<double?[]> rows) : ISensor
{
    private readonly Queue<double?[]> _rows = new(rows);
    private DateTime _time = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    public SourceKind Kind => SourceKind.Recorded;

    public void Resume(long rows, DateTime lastTime)
    {
        while (rows-- > 0 && _rows.TryDequeue(out _))
        {
            _time = _time.AddSeconds(1);
        }
    }

    public ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel)
    {
        if (!_rows.TryDequeue(out double?[]? row))
        {
            return ValueTask.FromResult(false);
        }

        into.Time = _time;
        _time = _time.AddSeconds(1);
        for (int i = 0; i < row.Length; i++)
        {
            into.Values[i] = row[i] ?? 0;
            into.Quality[i] = row[i] is null ? Quality.Missing : double.IsFinite(row[i]!.Value) ? Quality.Good : Quality.Invalid;
        }

        return ValueTask.FromResult(true);
    }

    public void Dispose()
    {
    }
}
