using System.Globalization;
using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Engines;
using Edge.Testing;
using Xunit.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>What a stream says of its detector is what the detector does.</summary>
public sealed class DetectionProgressTests(ITestOutputHelper output)
{
    private const int CalmRows = 10_000;

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public void A_stream_without_a_model_counts_its_rows_and_then_watches_levels()
    {
        using var stream = new SensorStream(
            NoModelEngine.Of("s", [("c0", ""), ("c1", "")], Minute, [1]), new StreamOptions { Name = "s" });
        Step(stream, CalmPlant.Rows("noise", 312, seed: 3), columns: 2);
        Assert.Equal("Learns what is normal: 312 of 400 rows. Until then it finds no anomaly.", stream.Health.Detection);
        Assert.Equal(88, stream.Health.WarmUpRowsLeft);
        Step(stream, CalmPlant.Rows("noise", 88, seed: 4), columns: 2);
        Assert.Equal("Watches jumps of the levels and sensors. Relations between channels need a model.", stream.Health.Detection);
        Assert.Equal(0, stream.Health.WarmUpRowsLeft);
    }

    [Fact]
    public void Relations_are_said_to_be_judged_from_the_row_on_that_judges_them()
    {
        double[][] rows = CalmPlant.Rows("load", CalmRows + 3000, seed: 8);
        using SensorStream stream = Open(rows, withProfile: true);
        Assert.Equal("Learns what is normal: 0 of 60 rows. Until then it finds no anomaly.", stream.Health.Detection);
        Step(stream, rows[CalmRows..(CalmRows + 312)], 4);
        string waiting = stream.Health.Detection;
        Assert.Matches(
            "^Watches levels, patterns, surprises and sensors. Relations between channels follow in [0-9]+ rows \\([0-9.]+ h\\).$",
            waiting);
        int left = int.Parse(waiting.Split(' ')[11], CultureInfo.InvariantCulture);
        int row = CalmRows + 312;
        for (; stream.ScoreOf(AnomalyCause.Correlation) == 0; row++)
        {
            string watched = left == 0 ? "Watches levels, relations" : "Watches levels, patterns";
            Assert.StartsWith(watched, stream.Health.Detection, StringComparison.Ordinal);
            Step(stream, rows[row..(row + 1)], 4);
            left = Math.Max(0, left - 1);
        }

        Assert.Equal("Watches levels, relations between channels, patterns, surprises and sensors.", stream.Health.Detection);
        Assert.Equal(0, left);

        // After a gap they settle again.
        Step(stream, rows[row..(row + 1)], 4, skipped: 100);
        Assert.Contains("Relations between channels follow in ", stream.Health.Detection, StringComparison.Ordinal);
    }

    // A level that wanders, and did not on the calibration rows: a small alarm widens the limits by a third, not by some hundredths, and
    // that is said.
    [Fact]
    public void Small_alarms_that_come_too_often_become_few_and_widened_limits_are_said()
    {
        const int Seeds = 5;
        const int Wandering = 30_000;
        int alarms = 0;
        for (int seed = 21; seed < 21 + Seeds; seed++)
        {
            double[][] rows = CalmPlant.Rows("noise", CalmRows + Wandering, seed);
            var random = new Random(seed);
            double wander = 0;
            foreach (double[] row in rows.AsSpan(CalmRows))
            {
                wander = (0.999 * wander) + (0.07 * (random.NextDouble() - 0.5));
                row[0] += wander;
            }

            using SensorStream stream = Open(rows, withProfile: true);
            alarms += Opened(stream, rows[CalmRows..]);
            Assert.Matches("Limits are wider after alarms: [1-4].[0-9] times for c[0-9].$", stream.Health.Detection);
        }

        output.WriteLine($"{alarms} alarms in {Seeds} times {Wandering} rows");
        Assert.InRange(alarms, Seeds, 9 * Seeds);
    }

    [Fact]
    public void Where_relations_are_never_judged_it_says_why()
    {
        double[][] rows = CalmPlant.Rows("load", CalmRows + 1000, seed: 8);
        using SensorStream without = Open(rows, withProfile: false);
        Step(without, rows[CalmRows..], 4);
        Assert.EndsWith("The model file knows no relations between channels.", without.Health.Detection, StringComparison.Ordinal);

        using SensorStream elsewhere = Open(rows, withProfile: true);
        Step(elsewhere, rows[CalmRows..], 4, shift: 1000);
        Assert.Matches(
            "Relations between channels are not used, because of other levels than those of the calibration rows: "
                + "c[0-3] is about 1[0-9.]+, not [-0-9.]+, c[0-3] is [^,]+, not [^,]+, c[0-3] is [^,]+, not [^,]+, and 1 more.$",
            elsewhere.Health.Detection);
    }

    [Fact]
    public void A_channel_in_another_unit_is_named()
    {
        double[][] rows = CalmPlant.Rows("load", CalmRows + 1000, seed: 8);
        foreach (double[] row in rows.AsSpan(CalmRows))
        {
            row[2] = 100 + (1.8 * row[2]);
        }

        using SensorStream stream = Open(rows, withProfile: true);
        Step(stream, rows[CalmRows..], 4);
        Assert.Matches("other levels than those of the calibration rows: c2 is about 1[0-9.]+, not [-0-9.]+.$", stream.Health.Detection);
    }

    [Fact]
    public void Swapped_channels_are_named()
    {
        double[][] rows = CalmPlant.Rows("load", CalmRows + 1000, seed: 8);
        for (int row = 0; row < rows.Length; row++)
        {
            rows[row][1] += 200;
            (rows[row][0], rows[row][1]) = row < CalmRows ? (rows[row][0], rows[row][1]) : (rows[row][1], rows[row][0]);
        }

        using SensorStream stream = Open(rows, withProfile: true);
        Step(stream, rows[CalmRows..], 4);
        Assert.Matches("c[01] is about [^,]+, not [^,]+, c[01] is about [^,]+, not [-0-9.]+.$", stream.Health.Detection);
    }

    [Fact]
    public void The_guide_names_the_rows_that_the_detector_needs()
    {
        double[][] rows = CalmPlant.Rows("load", CalmRows + 100, seed: 8);
        using SensorStream with = Open(rows, withProfile: true);
        using SensorStream without = Open(rows, withProfile: false);
        int[] settle = [.. new[] { 10_000, 3000, 400 }.Select(calm => new RecentMeans(channels: 4, calm).SettleRows)];
        string guide = File.ReadAllText(RepositoryFile.Path("docs/detection.md"));
        Assert.Contains(
            $"| a model with a profile | {with.Health.WarmUpRowsLeft} | {settle[0]}; {settle[1]} or {settle[2]} if ",
            guide,
            StringComparison.Ordinal);
        Assert.Contains($"| a model without a profile | {without.Health.WarmUpRowsLeft} | never |", guide, StringComparison.Ordinal);
        Assert.Contains($"| no model yet | {without.Health.WarmUpRowsLeft} | never |", guide, StringComparison.Ordinal);
        Step(with, rows[CalmRows..], 4, shift: 1000);
        Assert.Contains(
            $"| a model with a profile, and levels outside it | {100 + with.Health.WarmUpRowsLeft} | none until the levels are inside,",
            guide,
            StringComparison.Ordinal);
    }

    private static SensorStream Open(double[][] rows, bool withProfile)
    {
        string[] columns = [.. rows[0].Select((_, channel) => $"c{channel}")];
        double[] mean = [.. columns.Select((_, channel) => rows.Average(row => row[channel]))];
        var manifest = new ModelManifest
        {
            Name = "calm",
            Columns = columns,
            Units = [.. columns.Select(_ => "")],
            PeriodSeconds = Minute.TotalSeconds,
            Mean = mean,
            Std = [.. columns.Select((_, channel) => Math.Sqrt(rows.Average(row => Math.Pow(row[channel] - mean[channel], 2))))],
            Outputs = [.. columns.Select((_, channel) => new ModelOutput(channel, 1))],
        };
        if (withProfile)
        {
            float[] calm = [.. rows[..CalmRows].SelectMany(row => row.Select((value, channel) => manifest.Normalize(channel, value)))];
            manifest = manifest.WithNormalProfile(NormalProfileLearner.Learn(calm, columns.Length));
        }

        return new SensorStream(new PersistenceEngine(manifest), new StreamOptions { Name = "calm" });
    }

    // Anomalies that these rows open.
    private static int Opened(SensorStream stream, double[][] rows) => rows.Count(row =>
    {
        var reading = new Reading(row.Length) { Time = stream.LastTime + Minute };
        row.CopyTo(reading.Values, 0);
        return stream.Step(reading).Anomaly?.Change == AnomalyChange.Opened;
    });

    private static void Step(SensorStream stream, double[][] rows, int columns, double shift = 0, long skipped = 0)
    {
        foreach (double[] row in rows)
        {
            var reading = new Reading(columns) { Time = stream.LastTime + Minute, SkippedTicks = skipped };
            for (int channel = 0; channel < columns; channel++)
            {
                reading.Values[channel] = row[channel] + shift;
            }

            stream.Step(reading);
        }
    }
}
