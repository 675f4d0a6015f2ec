using System.Globalization;
using System.Text.RegularExpressions;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Testing;
using Xunit.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>
/// The detector with a profile of calm rows, on simulated channels whose truth is known. Nothing was tuned on these rows.
/// EDGE_TEST_CASES=20 is the long run.
/// </summary>
public sealed partial class ProfileDetectionTests(ITestOutputHelper output)
{
    private const int CalmRows = 10_000;
    private const int Before = 2000;

    private static readonly DateTime Begin = new(2026, 1, 5, 0, 0, 0, DateTimeKind.Utc);
    private static readonly int Cases = int.TryParse(Environment.GetEnvironmentVariable("EDGE_TEST_CASES"), out int cases) ? cases : 3;

    public static TheoryData<string, double> Drifts
    {
        get
        {
            var data = new TheoryData<string, double>();
            foreach (string kind in CalmPlant.Kinds)
            {
                foreach (double speed in new[] { 0.05, 0.004, 0.001 })
                {
                    data.Add(kind, speed);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Drifts))]
    public void A_drift_to_three_deviations_is_found_whatever_its_speed(string kind, double deviationsATick)
    {
        int found = 0;
        var delays = new List<int>();
        for (int seed = 0; seed < Cases; seed++)
        {
            int rows = Before + (int)(3 / deviationsATick) + 3000;
            (ModelManifest manifest, double[][] live) = Plant(kind, rows, seed + 300);
            List<Event> events = Run(
                manifest,
                live,
                (row, reading) =>
                    reading.Values[0] += manifest.Std[0] * Math.Clamp((row - Before) * deviationsATick, 0, 3));
            Event? first = events.Find(item => item.Opened >= Before);
            found += first is null ? 0 : 1;
            delays.AddRange(first is null ? [] : [first.Opened - Before]);
        }

        delays.Sort();
        int median = delays.ElementAtOrDefault(delays.Count / 2);
        output.WriteLine($"{kind}, {deviationsATick} deviations a tick: {found} of {Cases}, median after {median} ticks");
        Assert.Equal(Cases, found);
    }

    // However far the first one went.
    [Theory]
    [InlineData("load", 3)]
    [InlineData("load", 40)]
    [InlineData("noise", 40)]
    [InlineData("states", 40)]
    public void After_a_shift_that_was_accepted_another_is_found(string kind, double deviations)
    {
        const int Again = 8000;
        (ModelManifest manifest, double[][] live) = Plant(kind, 10_000, seed: 98);
        List<Event> events = Run(
            manifest,
            live,
            (row, reading) => reading.Values[0] += manifest.Std[0] * ((row >= Before ? deviations : 0) + (row >= Again ? 3 : 0)));
        Assert.Equal(2, events.Count);
        Assert.Equal(AnomalyChange.Accepted, events[0].Closing);
        Assert.InRange(events[1].Opened, Again, Again + 100);

        // Not what was normal before the first one.
        double[] said = [.. Number().Matches(events[1].Message).Select(match => double.Parse(match.Value, CultureInfo.InvariantCulture))];
        Assert.InRange((said[0] - said[1]) / manifest.Std[0], 2, 4);
    }

    [Theory]
    [InlineData("load", 3)]
    [InlineData("load", -3)]
    [InlineData("noise", 3)]
    [InlineData("states", 3)]
    public void A_shift_that_stays_is_one_anomaly_and_then_normal(string kind, double deviations)
    {
        (ModelManifest manifest, double[][] live) = Plant(kind, 20_000, seed: 99);
        List<Event> events = Run(
            manifest,
            live,
            (row, reading) => reading.Values[0] += row >= Before ? deviations * manifest.Std[0] : 0);
        Event only = Assert.Single(events);
        Assert.Equal(AnomalyChange.Accepted, only.Closing);
        Assert.InRange(only.Opened, Before, Before + 20);
    }

    [Fact]
    public void A_rare_switch_as_in_the_calibration_rows_does_not_surprise_a_stream_that_has_just_begun()
    {
        for (int seed = 0; seed < Cases; seed++)
        {
            double[][] rows = Switching(CalmRows + 1000, seed);
            Assert.Empty(Run(Manifest(rows[..CalmRows]), rows[CalmRows..]));
        }

        static double[][] Switching(int count, int seed)
        {
            var random = new Random(seed);
            double level = 0;
            return
            [
                .. Enumerable.Range(0, count).Select(row =>
                {
                    level = row % 400 == 0 ? random.Next(4) : level;
                    return new[] { level + (0.1 * random.NextDouble()), (2 * level) + (0.1 * random.NextDouble()) };
                }),
            ];
        }
    }

    [Fact]
    public void A_channel_that_never_moved_is_not_stuck()
    {
        double[][] rows = [.. CalmPlant.Rows("load", CalmRows + 20_000, 7).Select(row => row.Append(5.0).ToArray())];
        ModelManifest manifest = Manifest(rows[..CalmRows]);
        Assert.Empty(Run(manifest, rows[CalmRows..]));
        Assert.DoesNotContain(
            Run(manifest.WithNormalProfile(default), rows[CalmRows..]),
            item => item.Cause == AnomalyCause.Sensor);
    }

    [Theory]
    [InlineData("load")]
    [InlineData("noise")]
    [InlineData("states")]
    [InlineData("daily")]
    [InlineData("counts")]
    public void Gaps_are_not_faults(string kind)
    {
        (ModelManifest manifest, double[][] live) = Plant(kind, 12_000, seed: 5);
        int calm = Run(manifest, live).Count;
        var kept = new List<double[]>();
        var keptAt = new List<int>();
        var skipped = new Dictionary<int, long>();
        for (int row = 0, gaps = 0; row < live.Length; row++)
        {
            if (row > 0 && row % 500 == 0)
            {
                int gap = new[] { 1, 5, 12, 60 }[gaps++ % 4];
                skipped[kept.Count] = gap;
                row += gap;
            }

            if (row < live.Length)
            {
                kept.Add(live[row]);
                keptAt.Add(row);
            }
        }

        int withGaps = Run(manifest, [.. kept], (row, reading) =>
        {
            reading.SkippedTicks = skipped.GetValueOrDefault(row);
            reading.Time = TimeOf(keptAt[row]);
        }).Count;
        output.WriteLine($"{kind}: {withGaps} anomalies with {skipped.Count} gaps, {calm} without");
        Assert.InRange(withGaps, 0, calm + 1);
    }

    [Fact]
    public void The_anomaly_names_the_channel_its_direction_and_what_was_expected()
    {
        for (int channel = 0; channel < 4; channel++)
        {
            int faulty = channel;
            (ModelManifest manifest, double[][] live) = Plant("load", Before + 1000, seed: 40);
            Event found = Run(
                manifest,
                live,
                (row, reading) => reading.Values[faulty] += row >= Before ? 2 * manifest.Std[faulty] : 0)
                .First(item => item.Opened >= Before);
            Assert.Equal(faulty, found.Channel);
            Assert.StartsWith($"c{faulty} is ", found.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Readings_outside_of_what_the_model_knows_are_said_so()
    {
        (ModelManifest manifest, double[][] live) = Plant("load", 3000, seed: 8);
        using var stream = Stream(manifest);
        var reading = new Reading(manifest.Columns.Count);
        double inside = Step(0);
        double outside = Step(8);
        Assert.Equal(0, inside);
        Assert.InRange(outside, 0.5, 1);

        double Step(double shift)
        {
            foreach (double[] row in live.Take(1000))
            {
                for (int channel = 0; channel < row.Length; channel++)
                {
                    reading.Values[channel] = row[channel] + (shift * manifest.Std[channel]);
                }

                stream.Step(reading);
            }

            return stream.Health.OutsideShare;
        }
    }

    // A sensor that answers with the value of its reset, or with all bits set, and recovers.
    [Theory]
    [InlineData(85)]
    [InlineData(1000)]
    [InlineData(65_535)]
    [InlineData(1e20)]
    [InlineData(1e300)]
    [InlineData(-1e300)]
    public void A_wild_reading_leaves_nothing_unseen_behind_it(double wild)
    {
        (ModelManifest manifest, double[][] live) = Plant("daily", 2000, seed: 4);
        double before = ScoreOfBurst(double.NaN);
        double after = ScoreOfBurst(wild);
        output.WriteLine($"{before:0.00}, {after:0.00}");
        Assert.InRange(before, 1, 1000);
        Assert.InRange(after / before, 0.6, 1.4);

        // The largest score of the residuals in ten rows of a burst.
        double ScoreOfBurst(double glitch)
        {
            using var stream = Stream(manifest);
            var reading = new Reading(1);
            double largest = 0;
            for (int row = 0; row < live.Length; row++)
            {
                reading.Values[0] = row == 1000 && !double.IsNaN(glitch) ? glitch
                    : live[row][0] + (row is >= 1800 and < 1810 ? 6 * ((row % 2) - 0.5) : 0);
                reading.Quality[0] = Quality.Good;
                AnomalyEvent? anomaly = stream.Step(reading).Anomaly;
                largest = row >= 1800 ? Math.Max(largest, stream.ScoreOf(AnomalyCause.Residual)) : 0;
                Assert.True(double.IsFinite(stream.ScoreOf(AnomalyCause.Residual)), $"row {row}");
                Assert.DoesNotContain("NaN", anomaly?.Message ?? "", StringComparison.Ordinal);
            }

            return largest;
        }
    }

    private static (ModelManifest Manifest, double[][] Live) Plant(string kind, int rows, int seed, bool hasTimes = true)
    {
        double[][] all = CalmPlant.Rows(kind, CalmRows + rows, seed);
        return (Manifest(all[..CalmRows], hasTimes), all[CalmRows..]);
    }

    // The calm rows are those before the first live one.
    private static ModelManifest Manifest(double[][] calm, bool hasTimes = true) =>
        Manifest(calm, hasTimes ? [.. Enumerable.Range(-calm.Length, calm.Length).Select(TimeOf)] : [], periodSeconds: 60);

    private static ModelManifest Manifest(double[][] calm, DateTime[] times, double periodSeconds)
    {
        string[] columns = [.. calm[0].Select((_, channel) => $"c{channel}")];
        double[] mean = [.. columns.Select((_, channel) => calm.Average(row => row[channel]))];
        double[] deviation =
        [
            .. columns.Select((_, channel) => Math.Sqrt(calm.Average(row => Math.Pow(row[channel] - mean[channel], 2))))
                .Select(value => value < 1e-9 ? 1 : value),
        ];
        var manifest = new ModelManifest
        {
            Name = "calm",
            Columns = columns,
            Units = [.. columns.Select(_ => "")],
            PeriodSeconds = periodSeconds,
            Mean = mean,
            Std = deviation,
            Outputs = [.. columns.Select((_, channel) => new ModelOutput(channel, 1))],
        };
        float[] rows = [.. calm.SelectMany(row => row.Select((value, channel) => manifest.Normalize(channel, value)))];
        return manifest.WithNormalProfile(NormalProfileLearner.Learn(rows, columns.Length, times));
    }

    // Behind the name of a channel, such as c0.
    [GeneratedRegex(@"(?<= )-?\d+(\.\d+)?")]
    private static partial Regex Number();

    private static DateTime TimeOf(int row) => Begin.AddMinutes(row);

    private static SensorStream Stream(ModelManifest manifest) => new(new PersistenceEngine(manifest), new StreamOptions { Name = "calm" });

    private static List<Event> Run(ModelManifest manifest, double[][] rows, Action<int, Reading>? edit = null)
    {
        using SensorStream stream = Stream(manifest);
        var reading = new Reading(manifest.Columns.Count);
        var events = new List<Event>();
        for (int row = 0; row < rows.Length; row++)
        {
            rows[row].CopyTo(reading.Values, 0);
            reading.SkippedTicks = 0;
            reading.Time = TimeOf(row);
            edit?.Invoke(row, reading);
            if (stream.Step(reading).Anomaly is { } anomaly)
            {
                if (anomaly.Change == AnomalyChange.Opened)
                {
                    events.Add(new Event(row, anomaly.Channels[0].Column, anomaly.Cause, anomaly.Message));
                }
                else if (anomaly.Change != AnomalyChange.Updated)
                {
                    events[^1].Closing = anomaly.Change;
                    events[^1].Closed = row;
                    events[^1].NamedAtEnd = anomaly.Channels[0].Column;
                }

                if (anomaly.Change is AnomalyChange.Opened or AnomalyChange.Updated)
                {
                    events[^1].Named.Add(anomaly.Channels[0].Column);
                }
            }
        }

        return events;
    }

    private sealed record Event(int Opened, int Channel, AnomalyCause Cause, string Message)
    {
        internal AnomalyChange Closing { get; set; }

        internal int Closed { get; set; } = int.MaxValue;

        /// <summary>The channel that the closing event names first.</summary>
        internal int NamedAtEnd { get; set; } = -1;

        /// <summary>Channels named first, of all messages while it is open.</summary>
        internal List<int> Named { get; } = [];
    }
}
