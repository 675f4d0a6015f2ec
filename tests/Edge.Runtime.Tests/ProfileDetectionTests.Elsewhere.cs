using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Runtime.Tests;

/// <summary>Streams that do not begin where the calibration rows were, such as in spring with a profile of the winter.</summary>
public sealed partial class ProfileDetectionTests
{
    private const string NotUsed = "Relations between channels are not used";

    [Theory]
    [InlineData("load", 8)]
    [InlineData("load", -8)]
    [InlineData("noise", 10)]
    [InlineData("states", 8)]
    public void Once_a_stream_that_began_elsewhere_has_come_home_the_profile_holds(string kind, double deviations)
    {
        const int Leaves = 1000;
        const int IsHome = 2000;
        const int Settled = 3000;
        const int Fault = 6000;
        (ModelManifest manifest, double[][] live) = Plant(kind, Fault + 1000, seed: 8);
        SensorStream stream = Stream(manifest);
        var reading = new Reading(manifest.Columns.Count);
        int row = 0;
        for (; row < Leaves; row++)
        {
            Step(deviations);
        }

        Assert.Contains(NotUsed, stream.Health.Detection, StringComparison.Ordinal);
        for (; row < Fault; row++)
        {
            // It leaves where it has been, which is no place that the profile knows; the anomaly ends soon after it is home.
            AnomalyEvent? anomaly = Step(deviations * Math.Clamp((IsHome - row) / (double)(IsHome - Leaves), 0, 1));
            Assert.True(row < Settled || (anomaly is null && !stream.IsAnomalyOpen), anomaly?.Message);
            if (row == Settled)
            {
                byte[] state = stream.Save();
                stream.Dispose();
                stream = Stream(manifest);
                Assert.True(stream.Resume(stream.Seq, state));
            }
        }

        Assert.DoesNotContain(NotUsed, stream.Health.Detection, StringComparison.Ordinal);
        for (; row < live.Length && !stream.IsAnomalyOpen; row++)
        {
            Step(1.5);
        }

        Assert.InRange(row, Fault, Fault + 300);
        stream.Dispose();

        AnomalyEvent? Step(double off)
        {
            live[row].CopyTo(reading.Values, 0);
            reading.Time = TimeOf(row);
            reading.Values[0] += off * manifest.Std[0];
            return stream.Step(reading).Anomaly;
        }
    }

    // Ten switches in the calibration rows are rarer than one row in a thousand, as is another recording.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_machine_that_is_on_by_day_is_not_several_recordings(bool hasTimes)
    {
        var random = new Random(3);
        double[][] rows = [.. Enumerable.Range(-CalmRows, CalmRows + 40_000).Select(Row)];
        List<Event> events = Run(
            Manifest(rows[..CalmRows], hasTimes),
            rows[CalmRows..],
            (row, reading) => reading.Values[0] += row is >= 38_000 and < 39_000 ? 30 : 0);
        Event only = Assert.Single(events);
        Assert.InRange(only.Opened, 38_000, 38_020);

        double[] Row(int row) => [OnByDay(row) + random.NextDouble() + random.NextDouble() + random.NextDouble()];
    }

    // The two levels are far apart, and so is what a normal distribution of their deviation allows; but neither level was ever exceeded.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_drift_of_a_machine_that_is_on_by_day_is_found_not_far_beyond_its_levels(bool hasTimes)
    {
        const double Speed = 0.0005;
        for (int seed = 0; seed < Cases; seed++)
        {
            var random = new Random(seed);
            double noise = 0;
            double[][] rows = [.. Enumerable.Range(-CalmRows, CalmRows + Before + 6000).Select(Row)];
            ModelManifest manifest = Manifest(rows[..CalmRows], hasTimes);
            List<Event> events = Run(
                manifest,
                rows[CalmRows..],
                (row, reading) => reading.Values[0] += Math.Max(0, row - Before) * Speed * manifest.Std[0]);
            Event first = events[0];
            double reached = (first.Opened - Before) * Speed;
            output.WriteLine($"{seed}: {reached:0.00} deviations, {first.Message}");
            Assert.InRange(reached, 0, 1.8);

            double[] Row(int row)
            {
                noise = (0.95 * noise) + (0.5 * (random.NextDouble() - 0.5));
                return [OnByDay(row) + noise + random.NextDouble() + random.NextDouble() + random.NextDouble()];
            }
        }
    }

    private static double OnByDay(int row)
    {
        DateTime time = TimeOf(row);
        bool isOn = time.DayOfWeek is not (DayOfWeek.Saturday or DayOfWeek.Sunday) && time.Hour is >= 7 and < 17;
        return isOn ? 50 : 10;
    }

    // Each recording has a level of its own. So has the stream, and a shift there is small beside what the recordings differ by.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Where_recordings_differ_in_level_the_stream_finds_its_own(bool hasTimes)
    {
        const int Length = 1000;
        double[] levels = [0, 30, 10, 20];
        var random = new Random(5);
        double[][] calm = [.. Enumerable.Range(0, levels.Length * Length).Select(row => Near(levels[row / Length]))];
        DateTime[] times = [.. Enumerable.Range(0, calm.Length).Select(row => Begin.AddDays(-40 + (9 * (row / Length))).AddMinutes(row))];
        List<Event> events = Run(
            Manifest(calm, hasTimes ? times : [], periodSeconds: 60),
            [.. Enumerable.Range(0, 1500).Select(row => Near(row < 1000 ? 15 : 18))]);
        Event only = Assert.Single(events);
        Assert.InRange(only.Opened, 1000, 1020);
        Assert.Equal(int.MaxValue, only.Closed);

        double[] Near(double level) => [level + random.NextDouble() + random.NextDouble() + random.NextDouble()];
    }

    [Fact]
    public void A_stream_that_begins_a_little_beyond_the_calibration_rows_has_the_profile()
    {
        (ModelManifest manifest, double[][] live) = Plant("load", 3000, seed: 8);
        using SensorStream stream = Stream(manifest);
        var reading = new Reading(manifest.Columns.Count);
        double largest = CalmPlant.Rows("load", CalmRows, seed: 8).Max(each => each[0]);
        for (int row = 0; row < live.Length; row++)
        {
            live[row].CopyTo(reading.Values, 0);
            reading.Time = TimeOf(row);
            reading.Values[0] = row < 300 ? largest + (0.5 * manifest.Std[0]) : reading.Values[0];
            stream.Step(reading);
            Assert.True(row != 100 || stream.Health.OutsideShare == 0.25);
        }

        Assert.StartsWith("Watches levels, relations between channels,", stream.Health.Detection, StringComparison.Ordinal);
    }
}
