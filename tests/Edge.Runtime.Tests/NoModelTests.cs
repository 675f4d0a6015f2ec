using Edge.Inference.Models;
using Edge.Runtime.Hosting;
using Edge.Sensors.Simulated;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Tests;

/// <summary>A stream that is still to learn its model: readings, and a watch over their levels.</summary>
public sealed class NoModelTests
{
    // No anomaly opens before.
    private const int WarmUpTicks = 400;

    private static readonly DateTime Begin = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    public static TheoryData<string> Kinds => [.. CalmPlant.Kinds.Where(kind => kind != "heating")];

    [Fact]
    public void It_gives_readings_from_the_first_tick_on_and_never_a_forecast()
    {
        using SensorStream stream = Open(2);
        for (int row = 0; row < 100; row++)
        {
            StreamTick tick = stream.Step(Row([20 + (row * 0.1), 1013], row));
            Assert.Equal(row + 1, tick.Seq);
            Assert.Equal(20 + (row * 0.1), tick.Reading.Values[0]);
            Assert.Null(tick.Forecast);
            Assert.Null(tick.Named);
        }

        StreamHealth health = stream.Health;
        Assert.Equal((100, 0, 0), (health.Ticks, health.Forecasts, health.MissedTicks));
        Assert.True(double.IsNaN(health.Skill));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Days_that_it_never_saw_raise_no_alarm(string kind)
    {
        // Whatever the unit: pascals, or a share.
        foreach (double scale in new[] { 1, 1e5, 1e-4 })
        {
            var alarms = new List<int>();
            for (int seed = 1; seed <= 10; seed++)
            {
                double[][] rows = CalmPlant.Rows(kind, 6000, seed);
                using SensorStream stream = Open(rows[0].Length);
                alarms.Add(Alarms(stream, rows, scale));
            }

            Assert.True(alarms.Sum() == 0, $"{kind} x {scale}: {string.Join(' ', alarms)}");
        }
    }

    [Fact]
    public void A_first_day_of_the_greenhouse_is_calm()
    {
        int alarms = 0;
        for (int seed = 1; seed <= 20; seed++)
        {
            var plant = new Greenhouse(seed);
            using SensorStream stream = Open(Greenhouse.ChannelNames.Length);
            for (int row = 0; row < 9000; row++)
            {
                Reading reading = Row(new double[4], row);
                plant.Step(reading.Values);
                alarms += stream.Step(reading).Anomaly is { Change: AnomalyChange.Opened } ? 1 : 0;
            }
        }

        Assert.True(alarms == 0, $"{alarms} alarms in 20 greenhouses of three days each");
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_value_that_no_sensor_should_give_is_found_in_the_unit_of_the_channel(string kind)
    {
        for (int seed = 1; seed <= 10; seed++)
        {
            double[][] rows = CalmPlant.Rows(kind, 3000, seed);
            double width = rows.Max(row => row[0]) - rows.Min(row => row[0]);
            double wrong = rows.Max(row => row[0]) + (3 * width);
            for (int row = 2000; row < 2100; row++)
            {
                rows[row][0] = wrong;
            }

            using SensorStream stream = Open(rows[0].Length);
            AnomalyEvent? opened = null;
            long at = 0;
            for (int row = 0; row < rows.Length && opened is null; row++)
            {
                opened = stream.Step(Row(rows[row], row)).Anomaly is { Change: AnomalyChange.Opened } each && row >= 2000 ? each : null;
                at = row;
            }

            Assert.NotNull(opened);
            Assert.InRange(at, 2000, 2099);
            Assert.Equal(0, opened.Channels[0].Column);
            Assert.Contains("c0 is", opened.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_channel_that_never_changes_and_one_that_does_now_and_then_raise_no_alarm()
    {
        using SensorStream stream = Open(2);
        int alarms = 0;
        for (int row = 0; row < 20_000; row++)
        {
            double motion = row > 3000 && row % 1000 < 30 ? 1 : 0;
            alarms += stream.Step(Row([motion, 21.5], row)).Anomaly is { Change: AnomalyChange.Opened } ? 1 : 0;
        }

        Assert.Equal(0, alarms);
    }

    [Fact]
    public void What_is_saved_at_any_tick_continues_to_the_very_same_bytes()
    {
        double[][] rows = CalmPlant.Rows("load", 1500, 1);
        foreach (int stop in new[] { 1, 50, 99, 100, 101, 450, 500, 1200 })
        {
            using SensorStream whole = Open(4);
            using SensorStream first = Open(4);
            using SensorStream second = Open(4);
            for (int row = 0; row < rows.Length; row++)
            {
                if (row == stop)
                {
                    Assert.True(second.Resume(first.Seq, first.Save()));
                }

                whole.Step(Row(rows[row], row));
                (row < stop ? first : second).Step(Row(rows[row], row));
            }

            Assert.Equal(whole.Save(), second.Save());
        }
    }

    [Fact]
    public void The_state_of_other_columns_or_horizons_is_not_taken_over()
    {
        using SensorStream before = Open(2);
        before.Step(Row([1, 2], 0));
        using SensorStream other = Open(3);
        using SensorStream farther = new(NoModelEngine.Of("s", Columns(2), TimeSpan.FromSeconds(1), [1, 60]), Options());
        Assert.False(other.Resume(1, before.Save()));
        Assert.False(farther.Resume(1, before.Save()));
        Assert.Equal(1, farther.Seq);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_first_model_is_compared_with_the_last_value(bool isGood)
    {
        IInferenceEngine demo = EngineFactory.LoadInt8("demo");
        ModelManifest manifest = demo.Manifest;
        var none = NoModelEngine.Of(
            manifest.Name, [.. manifest.Columns.Zip(manifest.Units)], TimeSpan.FromSeconds(manifest.PeriodSeconds),
            [.. manifest.Outputs.Select(output => output.TicksAhead).Distinct()]);
        Assert.True(CanaryModel.Fits(none.Manifest, manifest));
        using var stream = new SensorStream(none, Options());
        stream.BeginCanary(demo, 400);
        var plant = new Greenhouse(3);
        for (int row = 0; row < 3000 && stream.CanaryVerdict is null; row++)
        {
            Reading reading = Row(new double[4], row);
            plant.Step(reading.Values);
            if (!isGood)
            {
                // Not what the model was trained on: nothing ever changes but by a little noise.
                reading.Values[0] = 21 + (1e-3 * (row % 3));
                reading.Values[1] = 60 + (1e-3 * (row % 5));
                reading.Values[2] = 9 + (1e-3 * (row % 7));
                reading.Values[3] = 480 + (1e-3 * (row % 2));
            }

            stream.Step(reading);
        }

        CanaryVerdict verdict = Assert.NotNull(stream.CanaryVerdict);
        Assert.Equal(isGood, verdict.IsNoWorse);
        Assert.Equal(isGood, verdict.ErrorRatio < 1);

        // What replaces it steps at once, with the model's own watch.
        using SensorStream next = stream.WithEngine(stream.EndCanary()!.Engine);
        Assert.Equal(stream.Seq, next.Seq);
        Assert.True(next.Manifest.IsTrained);
    }

    private static int Alarms(SensorStream stream, double[][] rows, double scale)
    {
        int alarms = 0;
        for (int row = 0; row < rows.Length; row++)
        {
            AnomalyEvent? anomaly = stream.Step(Row([.. rows[row].Select(value => value * scale)], row)).Anomaly;
            alarms += anomaly is { Change: AnomalyChange.Opened } ? 1 : 0;
            Assert.True(anomaly is null || row >= WarmUpTicks - 1);
        }

        return alarms;
    }

    private static SensorStream Open(int channels) =>
        new(NoModelEngine.Of("s", Columns(channels), TimeSpan.FromSeconds(1), [1, 10]), Options());

    private static (string, string)[] Columns(int count) => [.. Enumerable.Range(0, count).Select(i => ($"c{i}", ""))];

    private static StreamOptions Options() => new() { Name = "s" };

    private static Reading Row(double[] values, int row)
    {
        var reading = new Reading(values.Length) { Time = Begin.AddSeconds(row) };
        values.CopyTo(reading.Values, 0);
        return reading;
    }
}
