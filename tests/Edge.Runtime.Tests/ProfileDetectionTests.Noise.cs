using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;

namespace Edge.Runtime.Tests;

/// <summary>A channel that becomes noisy, which is one anomaly that ends soon after the noise; and one that measures nothing.</summary>
public sealed partial class ProfileDetectionTests
{
    private const int NoiseRows = 240;

    [Theory]
    [InlineData("load", 1)]
    [InlineData("noise", 2)]
    [InlineData("states", 0)]
    [InlineData("daily", 0)]
    public void Noise_of_a_channel_is_one_anomaly_that_names_it_and_ends_with_it(string kind, int channel)
    {
        int found = 0;
        for (int seed = 0; seed < Cases; seed++)
        {
            (ModelManifest manifest, double[][] live) = Plant(kind, Before + NoiseRows + 500, seed + 1200);
            double noise = Math.Max(4 * NoiseOf(live, channel), manifest.Std[channel] / 4);
            List<Event> events = Run(manifest, live, AddNoise(channel, noise, seed));
            output.WriteLine($"{seed}: {string.Join("; ", events.Select(each => $"{each.Opened} to {each.Closed}, {each.Message}"))}");
            Event[] inNoise = [.. events.Where(each => each.Opened is >= Before and < Before + NoiseRows)];
            if (inNoise.Length == 1 && inNoise[0].NamedAtEnd == channel && inNoise[0].Opened < Before + 100)
            {
                found++;
                Assert.InRange(inNoise[0].Closed, Before + NoiseRows, Before + NoiseRows + 100);
            }
        }

        Assert.Equal(Cases, found);
    }

    [Fact]
    public void The_sentence_says_how_noisy()
    {
        (ModelManifest manifest, double[][] live) = Plant("states", Before + NoiseRows, seed: 1200);
        Event only = Assert.Single(Run(manifest, live, AddNoise(channel: 0, noise: 4, seed: 1)));
        Assert.Equal(AnomalyCause.Noise, only.Cause);
        Assert.Matches(@"^c0 is [\d.]+, and is about \d+\.\d times as noisy as usual, over the last 30 readings\.$", only.Message);
    }

    [Fact]
    public void Noise_that_lasts_is_accepted_and_opens_none_again()
    {
        (ModelManifest manifest, double[][] live) = Plant("states", Before + (5 * Day), seed: 1201);
        List<Event> events = Run(manifest, live, AddNoise(channel: 0, noise: 4, seed: 2, rows: 5 * Day));
        Assert.Equal(AnomalyChange.Accepted, Assert.Single(events).Closing);
    }

    [Fact]
    public void A_little_more_noise_values_that_are_held_and_gaps_are_none()
    {
        (ModelManifest manifest, double[][] live) = Plant("noise", Before + NoiseRows, seed: 1202);
        using SensorStream stream = Stream(manifest);
        var reading = new Reading(manifest.Columns.Count);
        var random = new Random(3);
        double largest = 0;
        for (int row = 0; row < live.Length; row++)
        {
            live[row].CopyTo(reading.Values, 0);
            reading.Values[0] += row % 2 == 0 ? 0.3 * manifest.Std[0] : 0;
            reading.Time = TimeOf(row);
            reading.SkippedTicks = random.Next(100) == 0 ? 5 : 0;
            reading.Quality[1] = random.Next(10) == 0 ? Quality.Missing : Quality.Good;
            stream.Step(reading);
            largest = Math.Max(largest, stream.ScoreOf(AnomalyCause.Noise));
        }

        Assert.InRange(largest, 0.1, 1);
    }

    [Fact]
    public void Fewer_than_2000_calm_rows_say_nothing_about_noise()
    {
        double[][] calm = CalmPlant.Rows("noise", 1999, seed: 4);
        ModelManifest manifest = Manifest(calm);
        using SensorStream stream = Stream(manifest);
        var reading = new Reading(manifest.Columns.Count);
        var random = new Random(5);
        foreach (double[] row in calm)
        {
            row.CopyTo(reading.Values, 0);
            reading.Values[0] += 100 * random.NextDouble();
            stream.Step(reading);
            Assert.Equal(0, stream.ScoreOf(AnomalyCause.Noise));
        }
    }

    // A machine that stands still for hours, and measures while it runs: each has its own longest run. It may stay still for longer.
    [Theory]
    [InlineData(1463.2, true)]
    [InlineData(0, false)]
    public void A_sensor_that_is_stuck_while_the_machine_runs_is_found_soon(double value, bool isFound)
    {
        var random = new Random(6);
        double[][] rows = [.. Enumerable.Range(0, 8000).Select(row => new[] { row % 800 < 400 ? 0 : 1460 + random.Next(100) / 10.0 })];
        ModelManifest manifest = Manifest(rows[..4000]);
        const int Begin = 2500;
        List<Event> events = Run(manifest, rows[4000..], (row, reading) =>
            reading.Values[0] = row is >= Begin and < Begin + 700 ? value : reading.Values[0]);
        Event? stuck = events.Find(each => each.Cause == AnomalyCause.Sensor);
        Assert.Equal(isFound, stuck is not null);
        Assert.True(!isFound || stuck!.Opened < Begin + 20);
    }

    private static Action<int, Reading> AddNoise(int channel, double noise, int seed, int rows = NoiseRows)
    {
        var random = new Random(seed);
        return (row, reading) =>
            reading.Values[channel] += row is >= Before && row < Before + rows ? noise * Math.Sqrt(3) * ((2 * random.NextDouble()) - 1) : 0;
    }

    // Of the two thirds of the changes that are smallest: a machine also switches.
    private static double NoiseOf(double[][] rows, int channel)
    {
        double[] changes = [.. rows.Zip(rows[1..], (a, b) => Math.Abs(b[channel] - a[channel])).Order()];
        return changes[changes.Length * 2 / 3] / Math.Sqrt(2);
    }
}
