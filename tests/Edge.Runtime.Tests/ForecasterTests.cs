using Edge.Inference;
using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Tests;

/// <summary>What a forecaster says of its model, against sums done by hand.</summary>
public sealed class ForecasterTests
{
    private const int Season = 24;

    // Row of the first forecast that counts, from 0 on: the state of the model has settled.
    private const int Settled = 63;

    [Fact]
    public void Skill_is_scored_against_no_change_and_against_a_season_ago()
    {
        float[] x = Rows(400);
        Forecaster forecaster = Run(x, Season);
        double model = x.Skip(Settled + 1).Average(value => (double)value * value);
        double persistence = x.Skip(Settled + 1).Zip(x.Skip(Settled)).Average(pair => Math.Pow(pair.First - pair.Second, 2));
        Assert.Equal(1 - (model / persistence), forecaster.Skill, 1e-6);

        // Only ticks that have both count.
        double late = x.Skip(Settled + 1).Average(value => (double)value * value);
        double seasonal = x.Skip(Settled + 1).Zip(x.Skip(Settled + 1 - Season)).Average(pair => Math.Pow(pair.First - pair.Second, 2));
        Assert.Equal(1 - (late / seasonal), forecaster.SeasonalSkill, 1e-6);
        Assert.InRange(forecaster.SeasonalSkill, -1000, -1);
    }

    [Fact]
    public void What_an_empty_state_forecasts_does_not_count_for_the_skill()
    {
        float[] x = Rows(400);
        Assert.Equal(double.NaN, Run(x[..(Settled + 1)], 0).Skill);
        double expected = Run(x, 0).Skill;
        x[3] = 1e6f;
        Assert.Equal(expected, Run(x, 0).Skill, 1e-9);
    }

    [Fact]
    public void Without_a_season_or_before_one_has_passed_there_is_no_seasonal_skill()
    {
        Assert.Equal(double.NaN, Run(Rows(400), 0).SeasonalSkill);
        Assert.Equal(double.NaN, Run(Rows(Season), Season).SeasonalSkill);
        Assert.Equal(24, new ForecastOptions().SeasonTicks(TimeSpan.FromHours(1)));
        Assert.Equal(1440, new ForecastOptions().SeasonTicks(TimeSpan.FromMinutes(1)));
        Assert.Equal(0, new ForecastOptions().SeasonTicks(TimeSpan.FromSeconds(1)));
        Assert.Equal(168, new ForecastOptions { Season = TimeSpan.FromDays(7) }.SeasonTicks(TimeSpan.FromHours(1)));
        Assert.Equal(0, new ForecastOptions { Season = TimeSpan.Zero }.SeasonTicks(TimeSpan.FromHours(1)));
        Assert.Contains(
            "'forecast.season' is 86400 ticks",
            Assert.Throws<InputException>(
                () => new ForecastOptions { Season = TimeSpan.FromDays(1) }.SeasonTicks(TimeSpan.FromSeconds(1))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_fault_makes_of_the_readings_does_not_count_for_the_skill()
    {
        float[] calm = Rows(600);
        float[] faulty = [.. calm.Select((value, tick) => tick is >= 300 and < 320 ? 50 : value)];
        double expected = Run([.. calm[..300], .. calm[320..]], 0).Skill;
        Assert.NotInRange(Run(faulty, 0).Skill, expected - 1, expected + 1);

        // The event opens with the first faulty row, and closes with the row after the last.
        Assert.Equal(expected, Run(faulty, 0, tick => tick is >= 300 and <= 320).Skill, 0.5);
    }

    // A model of the winter in spring: it is off by five each time, until the readings are what it knows again.
    [Fact]
    public void A_forecast_that_is_always_off_by_the_same_is_corrected_until_it_is_not()
    {
        var random = new Random(2);
        float[] x = [.. Enumerable.Range(0, 4000).Select(tick => (tick is >= 500 and < 2000 ? 5 : 0) + random.NextSingle() - 0.5f)];
        Assert.Equal(0, Run(x[..500], 0).Corrected);
        foreach (int count in new[] { 700, 1200, 2000 })
        {
            Forecaster corrected = Run(x[..count], 0);
            Assert.Equal(1, corrected.Corrected);
            Assert.InRange(corrected.Value(0), 4.5, 5.5);
            Assert.InRange(corrected.Errors[0], -1.2, 1.2);
        }

        Forecaster after = Run(x, 0);
        Assert.Equal(0, after.Corrected);
        Assert.Equal(0, after.Value(0));
    }

    [Fact]
    public void Nothing_is_taken_off_forecasts_whose_errors_go_up_and_down_or_for_a_wild_reading()
    {
        var random = new Random(3);
        for (int seed = 0; seed < 20; seed++)
        {
            double error = 0;
            float[] x = [.. Enumerable.Range(0, 2000).Select(_ => (float)(error = (0.8 * error) + random.NextDouble() - 0.5))];
            x[1000] = 1e8f;
            foreach (int count in new[] { 200, 1002, 1050, 1200, 2000 })
            {
                Assert.True(Run(x[..count], 0).Corrected == 0, $"{seed} {count}");
            }
        }
    }

    [Fact]
    public void A_stream_continues_its_corrections_and_begins_them_again_after_a_state_of_before()
    {
        double[] x = [.. Enumerable.Range(0, 600).Select(tick => 5 + Math.Sin(tick))];
        using SensorStream whole = Stream();
        double[] expected = [.. x.Select((_, tick) => Step(whole, tick))];
        Assert.Equal(1, whole.Health.CorrectedForecasts);
        Assert.InRange(expected[^1], 4.5, 5.5);
        SensorStream stream = Stream();
        for (int tick = 0; tick < x.Length; tick++)
        {
            Assert.Equal(expected[tick], Step(stream, tick));
            if (tick % 70 == 69)
            {
                byte[] saved = stream.Save();
                stream.Dispose();
                stream = Stream();
                Assert.True(stream.Resume(tick + 1, saved));
            }
        }

        byte[] before = stream.SaveAs(13);
        Assert.Equal(1, stream.Health.CorrectedForecasts);
        Assert.True(stream.Resume(x.Length, before));
        Assert.Equal(0, stream.Health.CorrectedForecasts);
        Assert.Equal(before, stream.SaveAs(13));
        stream.Dispose();

        static SensorStream Stream() => new(new ZeroEngine(), new StreamOptions { Name = "spring" });

        double Step(SensorStream stream, int tick)
        {
            var reading = new Reading(1) { Time = new DateTime(2026, 4, 1, 0, 0, 0, DateTimeKind.Utc).AddHours(tick) };
            reading.Values[0] = x[tick];
            stream.Step(reading);
            return stream.ForecastValues.Select(forecast => forecast.Value).FirstOrDefault();
        }
    }

    // A forecast two ticks ahead and the ends of its interval: they move together.
    [Fact]
    public void The_interval_of_the_model_moves_with_its_forecast()
    {
        var forecaster = new Forecaster(new ZeroEngine(isOfQuantiles: true), 0.9);
        var reading = new Reading(1);
        for (int tick = 1; tick <= 400; tick++)
        {
            reading.Values[0] = 7 + (tick % 2);
            reading.Quality[0] = Quality.Good;
            forecaster.Observe(tick, reading, isAbnormal: false);
            forecaster.Step(tick, reading, isAbnormal: false);
        }

        Assert.InRange(forecaster.Value(0), 7.4, 7.6);
        Assert.Equal(forecaster.Value(0) - 1, forecaster.Low(0), 1e-5);
        Assert.Equal(forecaster.Value(0) + 1, forecaster.High(0), 1e-5);
    }

    // Nearly the same every day.
    private static float[] Rows(int count)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, count).Select(tick => MathF.Sin(2 * MathF.PI * tick / Season) + (0.1f * random.NextSingle()))];
    }

    private static Forecaster Run(float[] x, int season, Func<int, bool>? isAbnormal = null)
    {
        var forecaster = new Forecaster(new ZeroEngine(), 0.9, season);
        var reading = new Reading(1);
        for (int tick = 0; tick < x.Length; tick++)
        {
            reading.Values[0] = x[tick];
            reading.Quality[0] = Quality.Good;
            forecaster.Observe(tick + 1, reading, isAbnormal?.Invoke(tick) ?? false);
            forecaster.Step(tick + 1, reading, isAbnormal?.Invoke(tick) ?? false);
        }

        return forecaster;
    }

    // Forecasts zero, one tick ahead; or two, between minus one and one.
    private sealed class ZeroEngine(bool isOfQuantiles = false) : IInferenceEngine
    {
        public ModelManifest Manifest { get; } = new()
        {
            Name = "zero",
            Columns = ["x"],
            Units = [""],
            PeriodSeconds = 3600,
            Mean = [0],
            Std = [1],
            Outputs = isOfQuantiles
                ? [new ModelOutput(0, 2), new ModelOutput(0, 2) { Quantile = 0.1 }, new ModelOutput(0, 2) { Quantile = 0.9 }]
                : [new ModelOutput(0, 1)],
        };

        public string ModelSha256 => new('0', 64);

        public string Description => "zero";

        public ReadOnlySpan<long> InputSaturations => [0];

        public long StateSaturations => 0;

        public void Step(ReadOnlySpan<float> inputs, Span<float> outputs)
        {
            outputs.Clear();
            if (isOfQuantiles)
            {
                (outputs[1], outputs[2]) = (-1, 1);
            }
        }

        public IInferenceEngine Fork() => new ZeroEngine(isOfQuantiles);

        public void CopyStateTo(IInferenceEngine fork)
        {
        }

        public float[] ExportState() => [];

        public void ImportState(ReadOnlySpan<float> values)
        {
        }

        public byte[] SaveState() => [];

        public void RestoreState(ReadOnlySpan<byte> saved)
        {
        }

        public void Dispose()
        {
        }
    }
}
