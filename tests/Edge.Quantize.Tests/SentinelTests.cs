using System.Globalization;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Learning;
using Edge.Sensors.Replay;
using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>Values that a device writes in place of a measurement.</summary>
public sealed class SentinelTests : IDisposable
{
    private const int RowCount = 1000;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(-9999, 500)]
    [InlineData(65535, 500)]
    [InlineData(1e5, 500)]
    [InlineData(1e30, 500)]
    [InlineData(-1e300, 500)]
    [InlineData(-9999, 0)]
    [InlineData(-9999, 999)]
    [InlineData(-9999, 200, 400, 600, 800)]
    [InlineData(-9999, 500, 501, 502, 503)]
    public void A_rare_value_far_outside_of_all_others_is_one(double sentinel, params int[] at)
    {
        double[] values = Calm();
        Assert.All(at, row => values[row] = sentinel);
        Assert.Equal(at, Sentinels.Find(values));
    }

    [Fact]
    public void Two_sentinels_of_one_column_are_found()
    {
        double[] values = Calm();
        (values[100], values[700]) = (-9999, 1e30);
        Assert.Equal([100, 700], Sentinels.Find(values));
    }

    [Fact]
    public void A_sentinel_between_missing_values_is_found()
    {
        double[] values = Calm();
        (values[99], values[100], values[101]) = (double.NaN, -9999, double.NaN);
        Assert.Equal([100], Sentinels.Find(values));
    }

    [Fact]
    public void A_burst_is_left_alone()
    {
        double[] values = Calm();
        (values[500], values[501], values[502]) = (3000, 9000, 4000);
        Assert.Empty(Sentinels.Find(values));
    }

    [Fact]
    public void A_tail_is_left_alone()
    {
        // Pareto: of 1000 values, a few are hundreds of times the usual ones.
        var random = new Random(1);
        double[] values = [.. Enumerable.Range(0, RowCount).Select(_ => Math.Pow(1 - random.NextDouble(), -1.2))];
        Assert.True(values.Max() > 50 * values.Order().ElementAt(750));
        Assert.Empty(Sentinels.Find(values));
    }

    [Fact]
    public void A_value_of_one_row_in_two_hundred_is_left_alone()
    {
        double[] values = Calm();
        Assert.All(Enumerable.Range(1, 5), i => values[i * 150] = -8888);
        Assert.Empty(Sentinels.Find(values));
    }

    [Fact]
    public void A_value_between_two_levels_is_left_alone()
    {
        double[] values = Calm();
        for (int row = 800; row < RowCount; row++)
        {
            values[row] += 100;
        }

        values[800] = 1e5;
        Assert.Empty(Sentinels.Find(values));
    }

    [Fact]
    public void A_column_without_an_interquartile_range_is_left_alone()
    {
        var values = new double[RowCount];
        values[500] = -9999;
        Assert.Empty(Sentinels.Find(values));
        Assert.Empty(Sentinels.Find([]));
        Assert.Empty(Sentinels.Find([double.NaN, 1, 2]));
    }

    [Theory]
    [InlineData(-127, 40, 0)]
    [InlineData(-127, 400, 5)]
    [InlineData(-196.6, 10, 30)]
    [InlineData(-999, 40, 5)]
    [InlineData(-99.9, 40, 5)]
    [InlineData(32767, 300, 5)]
    [InlineData(-3276.8, 40, 5)]
    [InlineData(65535, 40, 5)]
    public void A_known_code_is_one_however_long_it_lasts_and_however_much_the_others_swing(double code, int run, double swing)
    {
        double[] values = Swinging(20, swing);
        int[] at = [.. Enumerable.Range(300, run)];
        Assert.All(at, row => values[row] = code);
        Assert.Equal(at, Sentinels.Find(values));
    }

    [Fact]
    public void The_first_value_of_a_thermometer_that_lost_its_supply_is_one_where_it_is_rare()
    {
        double[] values = Swinging(20, 4);
        Assert.All((int[])[7, 307, 607], row => values[row] = 85);
        (values[900], values[901], values[902]) = (-127, -127, -127);
        Assert.Equal([7, 307, 607, 900, 901, 902], Sentinels.Find(values));
    }

    [Theory]
    [InlineData(60, 20, 1)]
    [InlineData(20, 4, 40)]
    public void A_temperature_of_85_is_learned_where_it_can_be_one(double level, double swing, int run)
    {
        double[] values = Swinging(level, swing);
        Array.Fill(values, 85, 300, run);
        Assert.Empty(Sentinels.Find(values));
    }

    // A pump that is rarely off, or rarely on; levels may be the end of an integer, too.
    [Theory]
    [InlineData(1000, 0, 10)]
    [InlineData(0, 1000, 10)]
    [InlineData(0, 85, 40)]
    [InlineData(0, 32767, 10)]
    [InlineData(0, 65535, 300)]
    [InlineData(-32768, 32767, 300)]
    [InlineData(20, 9999, 3)]
    public void A_switch_loses_no_row(double level, double other, int rows)
    {
        double[] values = [.. Enumerable.Repeat(level, RowCount)];
        Array.Fill(values, other, 400, rows);
        Assert.Empty(Sentinels.Find(values));
        Assert.Null(LoneValues.Describe("a", values, row => row));
    }

    [Theory]
    [InlineData(0, 3)]
    [InlineData(0, 40)]
    public void A_machine_that_is_rarely_off_loses_no_row_and_is_said(double off, int rows)
    {
        double[] values = Swinging(1000, 50);
        Array.Fill(values, off, 400, rows);
        Assert.Empty(Sentinels.Find(values));
        string said = LoneValues.Describe("power", values, row => row + 2)!;
        Assert.StartsWith(
            $"column 'power': 0 stands in {rows} rows, the first in line 402, and all other values lie from 9",
            said,
            StringComparison.Ordinal);
        Assert.EndsWith("counted as measured; if it was not, empty these cells", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Values_that_follow_one_another_are_not_said() => Assert.Null(LoneValues.Describe("a", Swinging(20, 4), row => row));

    [Theory]
    [InlineData("-9999", "-9999")]
    [InlineData("65535", "65535")]
    [InlineData("1e30", "1E+30")]
    public void Training_counts_it_as_missing_and_says_so(string cell, string said)
    {
        TrainingRows clean = Load(Csv(Calm(), ("", -1)));
        TrainingRows rows = Load(Csv(Calm(), (cell, 500)));

        string note = Assert.Single(rows.Notes, note => note.StartsWith("column", StringComparison.Ordinal));
        Assert.StartsWith(
            $"column 'a': {said} stands in 1 row, line 502, far outside of all other values: counted as missing; "
                + "in edge.yaml, set ",
            note,
            StringComparison.Ordinal);
        Assert.Matches(
            said[0] == '-' ? "'min' between -9999 and 1[89][.0-9]* for it" : "'max' between 21[.0-9]* and [E+0-9]* for it", note);
        Assert.DoesNotContain(clean.Notes, note => note.StartsWith("column", StringComparison.Ordinal));
        Assert.Equal(clean.Std[0], rows.Std[0], 0.01 * clean.Std[0]);
        Assert.Equal(clean.Mean[0], rows.Mean[0], 0.01 * clean.Std[0]);
        Assert.False(rows.IsKnown(500, 0));
        Assert.True(rows.IsKnown(500, 1));
        Assert.Equal(rows.Row(499)[0], rows.Row(500)[0]);
    }

    [Fact]
    public void Calibration_counts_it_as_missing_and_says_so()
    {
        string file = Csv(Calm(), ("65535", 500));
        var manifest = new ModelManifest
        {
            Name = "m",
            Columns = ["a", "b"],
            Units = ["", ""],
            PeriodSeconds = 60,
            Mean = [0, 0],
            Std = [1, 1],
            Outputs = [new ModelOutput(0, 1)],
        };
        ReadingsFile raw = ReadingsFile.Load(new ReplayOptions { File = file }, manifest);
        Assert.Equal(65535, raw.Row(500)[0]);
        Assert.Empty(raw.Notes);

        ReadingsFile readings = ReadingsFile.Load(new ReplayOptions { File = file }, manifest, withoutSentinels: true);
        Assert.Equal(RowCount, readings.RowCount);
        Assert.Equal(1, readings.HeldValues);
        Assert.Equal(readings.Row(499)[0], readings.Row(500)[0]);
        Assert.Equal(raw.Row(500)[1], readings.Row(500)[1]);
        string note = Assert.Single(readings.Notes);
        Assert.StartsWith("column 'a': 65535 stands in 1 row, line 502", note, StringComparison.Ordinal);
    }

    private static TrainingRows Load(string file) => TrainingRows.Load([new() { File = file }], [], null);

    // A slow wave with noise.
    private static double[] Calm()
    {
        var random = new Random(7);
        return [.. Enumerable.Range(0, RowCount).Select(row => 20 + Math.Sin(row / 40.0) + (0.2 * random.NextDouble()))];
    }

    // Two waves in the recording, with noise.
    private static double[] Swinging(double level, double swing)
    {
        var random = new Random(7);
        return
        [
            .. Enumerable.Range(0, RowCount)
                .Select(row => level + (swing * Math.Sin(row / 80.0)) + (0.2 * random.NextDouble())),
        ];
    }

    private string Csv(double[] values, (string Cell, int Row) wrong) => _folder.Write(
        "s.csv",
        "time,a,b\n" + string.Join('\n', values.Select((value, row) => string.Create(
            CultureInfo.InvariantCulture,
            $"{DateTime.UnixEpoch.AddMinutes(row):s}Z,{(row == wrong.Row ? wrong.Cell : $"{value:0.####}")},"
                + $"{Math.Cos(row / 9.0):0.###}"))));
}
