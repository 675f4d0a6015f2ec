using Edge.Runtime.Delivery;
using Edge.Sensors.Simulated;
using Edge.Streams;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Benchmarks;

/// <summary>
/// A state folder with long history of one stream at 1 Hz, four channels of two decimals, written as the service writes it: through the log
/// of rows, thinned hour by hour within the default limits.
/// </summary>
internal static class StoredYear
{
    /// <summary>Names of the channels.</summary>
    internal static readonly string[] Columns = ["temperature", "humidity", "light", "co2"];

    /// <summary>Writes one.</summary>
    /// <param name="folder">The state folder.</param>
    /// <param name="stream">Name of the stream.</param>
    /// <param name="start">Time of the row before the first, UTC.</param>
    /// <param name="rowCount">Rows, one a second.</param>
    internal static void Write(string folder, string stream, DateTime start, long rowCount)
    {
        var clock = new StepClock(start);
        using StateStore store = StateStore.Open(
            folder, TimeSpan.FromHours(1), TimeSpan.FromDays(7), clock, "boot", NullLogger.Instance);
        var plant = new Greenhouse(3);
        var rows = new TickRows(Columns);
        var reading = new Reading(Columns.Length);
        for (long seq = 1; seq <= rowCount; seq++)
        {
            plant.Step(reading.Values);
            for (int i = 0; i < Columns.Length; i++)
            {
                reading.Values[i] = Math.Round(reading.Values[i], 2);
            }

            reading.Time = start.AddSeconds(seq);
            rows.Add(reading);
            rows.Complete(seq, 0.3);
            if (seq % 60 == 0)
            {
                store.Append(stream, rows.ToCommitted(), []);
                rows.Clear();
            }

            if (seq % 3600 == 0)
            {
                clock.Elapsed += TimeSpan.FromHours(1);
                store.Commit(stream, seq, [1], "", []);
                store.Retire();
            }
        }
    }

    /// <summary>A clock that moves when it is told to.</summary>
    private sealed class StepClock(DateTime start) : TimeProvider
    {
        internal TimeSpan Elapsed { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Elapsed.Ticks;

        public override DateTimeOffset GetUtcNow() => new DateTimeOffset(start) + Elapsed;
    }
}
