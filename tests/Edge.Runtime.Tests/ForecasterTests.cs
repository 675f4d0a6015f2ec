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

    // Forecasts zero, one tick ahead.
    private sealed class ZeroEngine : IInferenceEngine
    {
        public ModelManifest Manifest { get; } = new()
        {
            Name = "zero",
            Columns = ["x"],
            Units = [""],
            PeriodSeconds = 3600,
            Mean = [0],
            Std = [1],
            Outputs = [new ModelOutput(0, 1)],
        };

        public string ModelSha256 => new('0', 64);

        public string Description => "zero";

        public ReadOnlySpan<long> InputSaturations => [0];

        public long StateSaturations => 0;

        public void Step(ReadOnlySpan<float> inputs, Span<float> outputs) => outputs.Clear();

        public IInferenceEngine Fork() => new ZeroEngine();

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
