using Edge.Runtime.Delivery;
using Edge.Streams;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>A state folder, its clock, and the rows that were written to it.</summary>
internal sealed class WrittenRows : IDisposable
{
    internal static readonly DateTime Start = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    internal static readonly string[] Columns = ["temperature", "load"];

    private readonly TemporaryFolder _folder = new();
    private readonly Random _random = new(5);
    private long _seq;

    internal string Folder => _folder.Path;

    internal FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    internal List<HistoryRow> All { get; } = [];

    public void Dispose() => _folder.Dispose();

    internal StateStore Open(HistoryOptions? options = null) => StateStore.Open(
        Folder, TimeSpan.FromHours(1), TimeSpan.FromDays(7), Clock, "boot", NullLogger.Instance, options);

    internal void Write(StateStore store, int rows, double periodSeconds)
    {
        for (int left = rows; left > 0; left -= 60)
        {
            CommittedRows some = Make(Math.Min(60, left), periodSeconds);
            Assert.True(store.Append("s", some, []));
            Assert.True(left > 60 || store.Commit("s", _seq, [1], "", []));
        }
    }

    /// <summary>Writes rows in parts, and lets the store put each part away before the next.</summary>
    /// <param name="store">The store.</param>
    /// <param name="parts">Number of parts.</param>
    /// <param name="rows">Rows of a part.</param>
    /// <param name="periodSeconds">Time from row to row.</param>
    /// <param name="advance">What the clock advances in a part.</param>
    internal void WriteParts(StateStore store, int parts, int rows, double periodSeconds, TimeSpan advance)
    {
        for (int part = 0; part < parts; part++)
        {
            Write(store, rows, periodSeconds);
            Clock.Advance(advance);
            store.Retire();
        }
    }

    // Rows as a sensor gives them: one channel of two decimals, one of floats, now and then a value that is missing, a gap, a clock.
    internal CommittedRows Make(int count, double periodSeconds, bool keep = true, HistoryEvent[]? events = null)
    {
        var rows = new TickRows(Columns);
        var reading = new Reading(2);
        for (int i = 0; i < count; i++)
        {
            reading.Time = Start.AddSeconds(_seq * periodSeconds);
            reading.SkippedTicks = _random.Next(50) == 0 ? 3 : 0;
            reading.ClockIsUnset = _random.Next(50) == 0;
            reading.ClockJump = _random.Next(50) == 0 ? TimeSpan.FromSeconds(-2) : TimeSpan.Zero;
            reading.Values[0] = Math.Round(20 + (5 * Math.Sin(_seq / 100.0)) + _random.NextDouble(), 2);
            reading.Values[1] = _random.NextDouble();
            reading.Quality[0] = _random.Next(40) == 0 ? Quality.Missing : Quality.Good;
            reading.Quality[1] = _random.Next(40) == 0 ? Quality.Stuck : Quality.Good;
            rows.Add(reading);
            int score = _random.Next(3);
            rows.Complete(++_seq, score);
            if (keep)
            {
                All.Add(
                    new HistoryRow(
                        _seq,
                        reading.Time,
                        [reading.Quality[0].IsMeasured() ? reading.Values[0] : double.NaN, reading.Values[1]],
                        [.. reading.Quality],
                        score,
                        reading.SkippedTicks,
                        reading.ClockJump,
                        reading.ClockIsUnset));
            }
        }

        Array.ForEach(events ?? [], rows.Add);
        return rows.ToCommitted();
    }
}
