using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Engines;

namespace Edge.Runtime.Tests;

/// <summary>A sensor that falls silent or freezes: the anomaly says since when, whenever it opened.</summary>
public sealed class SensorFailureTests
{
    private const int FailsAt = 600;

    // What a snapshot of an earlier version lacks: two times of eight bytes for each channel.

    private static readonly DateTime Begin = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    [Theory]
    [InlineData(false, "c1 has given no value for ")]
    [InlineData(true, "c1 has been ")]
    public void An_anomaly_of_a_sensor_began_with_the_first_row_that_shows_it(bool isStuck, string message)
    {
        using SensorStream stream = Open();
        AnomalyEvent opened = Run(stream, 1, 1000, isStuck).First(each => each.Change == AnomalyChange.Opened);
        Assert.StartsWith(message, opened.Message, StringComparison.Ordinal);
        Assert.Equal((AnomalyCause.Sensor, TimeOf(FailsAt)), (opened.Cause, opened.Started));
    }

    // No anomaly opens in the cool-down, however long a channel has been silent then.
    [Fact]
    public void A_sensor_that_fails_in_the_cool_down_failed_then()
    {
        using SensorStream stream = Open();
        AnomalyEvent[] opened =
        [
            .. Run(stream, 1, 1000, isStuck: false, alsoSilent: row => row is >= FailsAt - 40 and < FailsAt - 20)
                .Where(each => each.Change == AnomalyChange.Opened),
        ];
        Assert.Equal([TimeOf(FailsAt - 40), TimeOf(FailsAt)], opened.Select(each => each.Started));
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 7)]
    public void A_stream_that_continues_from_its_state_knows_it_too(bool isStuck, int rowsAfter)
    {
        using SensorStream unbroken = Open();
        _ = Run(unbroken, 1, FailsAt + rowsAfter, isStuck);
        byte[] saved = unbroken.Save();
        using SensorStream next = Open();
        Assert.True(next.Resume(unbroken.Seq, saved));
        Assert.Equal(saved, next.Save());
        AnomalyEvent opened = Run(next, FailsAt + rowsAfter + 1, 1000, isStuck).First(each => each.Change == AnomalyChange.Opened);
        Assert.Equal(TimeOf(FailsAt), opened.Started);
    }

    private static SensorStream Open() => new(
        NoModelEngine.Of("s", [("c0", ""), ("c1", "")], TimeSpan.FromSeconds(1), [1]), new StreamOptions { Name = "s" });

    private static DateTime TimeOf(int row) => Begin.AddSeconds(row);

    private static List<AnomalyEvent> Run(SensorStream stream, int from, int to, bool isStuck, Predicate<int>? alsoSilent = null)
    {
        var reading = new Reading(2);
        var events = new List<AnomalyEvent>();
        for (int row = from; row <= to; row++)
        {
            bool fails = row >= FailsAt;
            reading.Time = TimeOf(row);
            reading.Values[0] = Math.Sin(row / 5.0);
            reading.Values[1] = Math.Cos((fails && isStuck ? FailsAt - 1 : row) / 7.0);
            reading.Quality[0] = Quality.Good;
            reading.Quality[1] = (fails && !isStuck) || alsoSilent?.Invoke(row) == true ? Quality.Missing : Quality.Good;
            if (stream.Step(reading).Anomaly is { } anomaly)
            {
                events.Add(anomaly);
            }
        }

        return events;
    }
}
