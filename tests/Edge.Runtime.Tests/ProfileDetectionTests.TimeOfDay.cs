using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Runtime.Tests;

/// <summary>A channel that follows the time of day is compared with what is usual at that time.</summary>
public sealed partial class ProfileDetectionTests
{
    private const int Day = 1440;
    private const int Hour = 60;

    [Fact]
    public void A_value_that_is_usual_at_another_time_is_found_and_the_sentence_says_so()
    {
        for (int seed = 0; seed < Cases; seed++)
        {
            // The day takes twice as long from one row on: nothing jumps, and nothing leaves its range.
            (ModelManifest manifest, double[][] live) = Plant("daily", Before + Day, seed + 600);
            double[][] slow = [.. live.Select((row, at) => at < Before ? row : live[Before + ((at - Before) / 2)])];
            Event? first = Run(manifest, slow).Find(each => each.Opened >= Before);
            Assert.NotNull(first);
            output.WriteLine($"{seed}: {first.Opened - Before}, {first.Message}");
            Assert.InRange(first.Opened, Before, Before + (12 * Hour));
            Assert.Contains("than usual at this time", first.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_shift_of_a_channel_with_a_daily_course_is_one_anomaly_until_it_is_normal_and_none_after()
    {
        int others = 0;
        for (int seed = 0; seed < Cases; seed++)
        {
            // Three weeks. The shift is a third of what the channel moves in a day.
            (ModelManifest manifest, double[][] live) = Plant("daily", Before + (21 * Day), seed + 700);
            List<Event> events = Run(manifest, live, (row, reading) => reading.Values[0] += row >= Before ? 3 : 0);
            output.WriteLine($"{seed}: {string.Join(' ', events.Select(each => $"{each.Opened} to {each.Closed}, {each.Closing}"))}");
            Event first = events.First(each => each.Opened >= Before);
            Assert.Equal((AnomalyChange.Accepted, true), (first.Closing, first.Opened < Before + Hour));
            others += events.Count - 1;
        }

        Assert.InRange(others, 0, Cases / 4);
    }

    // Clocks change, and people come later in winter.
    [Fact]
    public void A_course_an_hour_later_is_normal()
    {
        int anomalies = 0;
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Plant("daily", Before + Hour + (21 * Day), seed + 800);
            List<Event> events = Run(manifest, [.. live[..Before], .. live[(Before + Hour)..]]);
            output.WriteLine($"{seed}: {string.Join(' ', events.Select(each => $"{each.Opened} to {each.Closed}, {each.Message}"))}");
            anomalies += events.Count;
        }

        Assert.InRange(anomalies, 0, Cases);
    }

    [Theory]
    [InlineData("daily", 3)]
    [InlineData("daily", 6)]
    [InlineData("heating", 3)]
    [InlineData("heating", 6)]
    public void A_new_schedule_is_normal_after_some_days(string kind, int hours)
    {
        const int LearnedAfter = 5 * Day;
        int after = 0;
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Plant(kind, Before + (hours * Hour) + (21 * Day), seed + 850);
            List<Event> events = Run(manifest, [.. live[..Before], .. live[(Before + (hours * Hour))..]]);
            int[] until = [.. events.Select(each => (each.Opened - Before) / Day)];
            output.WriteLine($"{seed}: on day {string.Join(' ', until)}");
            Assert.InRange(events.Count(each => each.Opened is >= Before and < Before + LearnedAfter), 1, 10);
            after += events.Count(each => each.Opened >= Before + LearnedAfter);
        }

        Assert.InRange(after, 0, Cases);
    }

    // Three minutes a day, for four months: the sun in spring.
    [Fact]
    public void A_course_that_moves_with_the_seasons_is_normal()
    {
        int anomalies = 0;
        for (int seed = 0; seed < Cases; seed++)
        {
            const int Days = 120;
            (ModelManifest manifest, double[][] live) = Plant("daily", Days * (Day + 3), seed + 900);
            List<Event> events = Run(manifest, [.. Enumerable.Range(0, Days * Day).Select(row => live[row + (3 * row / Day)])]);
            output.WriteLine($"{seed}: {string.Join(' ', events.Select(each => $"{each.Opened} to {each.Closed}, {each.Message}"))}");
            anomalies += events.Count;
        }

        Assert.InRange(anomalies, 0, 2 * Cases);
    }

    // A plant that works from Monday to Friday, a row in ten minutes.
    [Fact]
    public void A_Sunday_on_which_the_plant_works_is_found_and_a_week_as_usual_is_normal()
    {
        const int RowsADay = Day / 10;
        const int Weeks = 6;
        for (int seed = 0; seed < Cases; seed++)
        {
            var random = new Random(seed);
            double[][] rows = [.. Enumerable.Range(0, (Weeks + 1) * 7 * RowsADay).Select(row => Load(row))];
            DateTime[] times = [.. Enumerable.Range(0, rows.Length).Select(row => Begin.AddMinutes(10 * row))];
            int calm = Weeks * 7 * RowsADay;
            ModelManifest manifest = Manifest(rows[..calm], times[..calm], periodSeconds: 600);
            Assert.Empty(Run(manifest, rows[calm..], (row, reading) => reading.Time = times[calm + row]));

            int sunday = 6 * RowsADay;
            double[][] busy = [.. rows[calm..].Select((row, at) => at < sunday ? row : Load(at - (2 * RowsADay)))];
            List<Event> events = Run(manifest, busy, (row, reading) => reading.Time = times[calm + row]);
            output.WriteLine($"{seed}: {string.Join(' ', events.Select(each => $"{each.Opened - sunday}, {each.Message}"))}");
            Event only = Assert.Single(events);
            Assert.InRange(only.Opened - sunday, RowsADay / 6, RowsADay / 2);
            Assert.Contains("higher than usual at this time", only.Message, StringComparison.Ordinal);

            double[] Load(int row)
            {
                double hour = row % RowsADay / 6.0;
                double work = row / RowsADay % 7 < 5 ? 9 / (1 + Math.Exp(7 - hour)) / (1 + Math.Exp(hour - 17)) : 0;
                return [1 + work + (0.5 * (random.NextDouble() + random.NextDouble() - 1))];
            }
        }
    }

    [Fact]
    public void Where_the_time_is_not_known_nothing_is_said_of_it()
    {
        (ModelManifest manifest, double[][] live) = Plant("daily", Before, seed: 41);
        double[][] late = [.. live.Select((_, at) => live[(at + (Day / 3)) % Before])];
        Assert.Contains(Messages(reading => { }), message => message.Contains("at this time", StringComparison.Ordinal));
        Assert.DoesNotContain(Messages(reading => reading.ClockIsUnset = true), IsOfTime);
        Assert.DoesNotContain(Messages(reading => reading.Time = reading.Time.AddYears(-50)), IsOfTime);

        IEnumerable<string> Messages(Action<Reading> edit) =>
            Run(manifest, late, (_, reading) => edit(reading)).Select(each => each.Message);

        static bool IsOfTime(string message) => message.Contains("at this time", StringComparison.Ordinal);
    }

    [Fact]
    public void A_few_days_or_rows_without_times_teach_no_course()
    {
        double[][] rows = CalmPlant.Rows("daily", CalmRows, seed: 42);
        NormalProfile Learn(int count, bool hasTimes) => NormalProfile.Of(Manifest(rows[..count], hasTimes))!;
        Assert.Equal(CalendarPart.Day, Learn(CalmRows, hasTimes: true).Relation!.Model.Calendar);
        Assert.Null(Learn(CalmRows, hasTimes: false).Relation);
        Assert.Null(Learn(4 * Day, hasTimes: true).Relation);
        Assert.Throws<ArgumentException>(() => NormalProfileLearner.Learn(new float[1000], 1, new DateTime[999]));

        // What does not follow the time of day.
        double[][] noise = [.. CalmPlant.Rows("noise", CalmRows, seed: 43).Select(row => new[] { row[0] })];
        Assert.Null(NormalProfile.Of(Manifest(noise))!.Relation);
    }
}
