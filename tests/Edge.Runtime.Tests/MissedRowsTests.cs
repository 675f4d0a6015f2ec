using Edge.Inference.Models;
using Edge.Runtime.Hosting;
using Edge.Streams;
using Edge.Streams.Forecasting;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Tests;

/// <summary>What forecasts make of rows that never came.</summary>
public sealed class MissedRowsTests
{
    private static readonly ModelManifest Manifest = EngineFactory.LoadInt8("demo").Manifest;

    [Fact]
    public void The_model_is_told_of_rows_that_were_missed_or_could_not_be_used()
    {
        var engine = new PersistenceEngine(Manifest);
        using var stream = new SensorStream(engine, new StreamOptions { Name = "s" });
        var reading = new Reading(Manifest.Columns.Count);
        Array.Fill(reading.Values, double.NaN);
        Array.Fill(reading.Quality, Quality.Missing);
        stream.Step(reading);
        Assert.Equal(1, engine.Skipped);

        Manifest.Mean.ToArray().CopyTo(reading.Values, 0);
        Array.Fill(reading.Quality, Quality.Good);
        stream.Step(reading);
        Assert.Equal(1, engine.Skipped);

        reading.SkippedTicks = 5;
        stream.Step(reading);
        Assert.Equal(6, engine.Skipped);
    }

    // A value is held for five ticks. A sensor that fails says why, and is said at once.
    [Theory]
    [InlineData(1, null, 0, 0)]
    [InlineData(5, null, 0, 0)]
    [InlineData(6, null, 16, 2)]
    [InlineData(1, "does not answer", 11, 2)]
    public void An_empty_cell_is_a_line_once_its_last_value_is_held_no_longer(int ticks, string? fault, int tick, int lines)
    {
        var log = new ListLog();
        using var stream = new SensorStream(new PersistenceEngine(Manifest), new StreamOptions { Name = "s" }, log);
        for (int row = 1; row <= 30; row++)
        {
            var reading = new Reading(Manifest.Columns.Count);
            Manifest.Mean.ToArray().CopyTo(reading.Values, 0);
            if (row > 10 && row <= 10 + ticks)
            {
                (reading.Values[1], reading.Quality[1], reading.Faults[1]) = (double.NaN, Quality.Missing, fault);
            }

            // Health is published with both changes, said or not.
            Assert.Equal(row == 11 || row == 13 + ticks, stream.Step(reading).QualityChanged);
        }

        string[] said = [.. log.Lines.Where(line => line.Level >= LogLevel.Information).Select(line => line.Text)];
        Assert.Equal(lines, said.Length);
        if (lines > 0)
        {
            string begin = $"s: tick {tick}: '{Manifest.Columns[1]}': {fault ?? "has no value"}; its last ";
            Assert.StartsWith(begin, said[0], StringComparison.Ordinal);
            Assert.EndsWith("has a value again", said[1], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_forecast_from_before_missed_rows_is_not_compared_with_the_row_after_them()
    {
        var forecaster = new Forecaster(new PersistenceEngine(Manifest), 0.9);
        var reading = new Reading(Manifest.Columns.Count);
        Manifest.Mean.ToArray().CopyTo(reading.Values, 0);
        forecaster.Observe(1, reading, isAbnormal: false);
        forecaster.Step(1, reading, isAbnormal: false);
        forecaster.Observe(2, reading, isAbnormal: false);
        Assert.Contains(0, forecaster.Errors.ToArray());

        forecaster.Step(2, reading, isAbnormal: false);
        forecaster.Skip(2, missed: 3);
        forecaster.Observe(3, reading, isAbnormal: false);
        Assert.All(forecaster.Errors.ToArray(), error => Assert.True(float.IsNaN(error)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(25)]
    public void What_was_a_season_ago_counts_missed_rows(int missed)
    {
        const int Season = 10;
        var baseline = new SeasonalBaseline(1, Season);
        for (int tick = 1; tick <= 33; tick++)
        {
            baseline.Keep(tick, 0, tick);
        }

        baseline.Skip(33, missed);
        for (int tick = 34; tick < 34 + Season; tick++)
        {
            int before = tick + missed - Season;
            Assert.Equal(before <= 33 ? before : float.NaN, baseline.Before(tick, 0));
        }
    }
}
