using Edge.Runtime.Hosting;
using Edge.Sensors.Simulated;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;
using Edge.Streams.Imputation;
using Edge.Testing;
using Xunit.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>Detector and interval on the simulated greenhouse, whose truth is known. EDGE_TEST_CASES=200 is the long run.</summary>
[Trait("Runs", "kernels")]
public sealed class DetectionTests(ITestOutputHelper output)
{
    // Ticks before the fault, and in which it must be noticed.
    private const int Before = 1000;
    private const int Within = 200;

    private static readonly int Cases = int.TryParse(Environment.GetEnvironmentVariable("EDGE_TEST_CASES"), out int cases) ? cases : 20;
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(0.2);

    [Fact]
    public async Task The_interval_holds_its_share_of_what_comes()
    {
        (Forecaster forecaster, List<int> _) = await RunAsync(seed: 11, [], ticks: 20_000);
        Assert.InRange(forecaster.Coverage, 0.88, 0.92);
    }

    [Theory]
    [InlineData(nameof(FaultKind.Spike), null)]
    [InlineData(nameof(FaultKind.Stuck), null)]
    [InlineData(nameof(FaultKind.Dropout), null)]
    [InlineData(nameof(FaultKind.Bias), 4.0)]
    [InlineData(nameof(FaultKind.Drift), 0.05)]
    [InlineData(nameof(FaultKind.Noise), null)]
    public async Task A_fault_is_found(string kind, double? magnitude)
    {
        int found = 0;
        int early = 0;
        for (int seed = 30; seed < 30 + Cases; seed++)
        {
            var fault = new FaultOptions(
                Before * Period,
                Within * Period,
                Enum.Parse<FaultKind>(kind),
                Greenhouse.ChannelNames[seed % 4],
                magnitude);
            List<int> opened = (await RunAsync(seed, [fault], ticks: Before + Within + 10)).Opened;
            found += opened.Exists(tick => tick > Before) ? 1 : 0;
            early += opened.Exists(tick => tick <= Before) ? 1 : 0;
        }

        output.WriteLine($"{kind}: {found} of {Cases} found, {early} false alarms before");
        Assert.InRange(found, (int)Math.Ceiling(0.95 * Cases), Cases);
    }

    [Fact]
    public async Task What_the_model_saw_in_a_fault_is_forgotten_soon_after_it()
    {
        const int Until = Before + 100;
        double worst = 0;
        for (int seed = 60; seed < 70; seed++)
        {
            var fault = new FaultOptions(Before * Period, (Until - Before) * Period, FaultKind.Bias, Greenhouse.ChannelNames[seed % 4], 4);
            (Forecaster healthy, List<int> _) = await RunAsync(seed, [], ticks: Until + 100);
            (Forecaster recovered, List<int> opened) = await RunAsync(seed, [fault], ticks: Until + 100);
            Assert.InRange(opened.Count, 1, 2);
            for (int output = 0; output < healthy.Errors.Length; output++)
            {
                worst = Math.Max(worst, Math.Abs(healthy.Value(output) - recovered.Value(output)) / healthy.Deviation(output));
            }
        }

        // Twenty seconds after a fault of twenty the forecasts are those of a stream that had none.
        output.WriteLine($"worst difference {worst:0.000} standard deviations");
        Assert.InRange(worst, 0, 0.2);
    }

    [Fact]
    public async Task Fault_free_ticks_raise_no_more_alarms_than_the_sensitivity_allows() =>
        await RequireQuietAsync(streams: Math.Max(1, Cases / 20));

    [LongFact]
    public async Task Sixty_million_fault_free_ticks_raise_no_more_alarms_than_the_sensitivity_allows() =>
        await RequireQuietAsync(streams: 600);

    // One false alarm in ten weeks; a million ticks are two and a half days.
    private async Task RequireQuietAsync(int streams)
    {
        const int Ticks = 100_000;
        int alarms = 0;
        for (int seed = 0; seed < streams; seed++)
        {
            alarms += (await RunAsync(500 + seed, [], Ticks)).Opened.Count;
        }

        double allowed = streams * Ticks * Period.TotalDays / 7 * new AnomalyOptions().FalseAlarmsAWeek;
        output.WriteLine($"{alarms} alarms in {streams * (long)Ticks} ticks, {allowed:0.00} allowed");

        // Alarms are rare and come at random: the rate is kept within a factor of two.
        Assert.InRange(alarms, 0, 2 * allowed);
    }

    private static async Task<(Forecaster Forecaster, List<int> Opened)> RunAsync(int seed, FaultOptions[] faults, int ticks)
    {
        using IInferenceEngine engine = EngineFactory.LoadInt8("demo");
        using var sensor = new SimulatedSensor(
            new SimulatedOptions { Seed = seed, Speed = PlaybackSpeed.Max, Faults = faults },
            new Greenhouse(seed),
            engine.Manifest.Columns,
            Period,
            new FakeTimeProvider());
        var forecaster = new Forecaster(engine, 0.9);
        var detector = new AnomalyDetector(engine.Manifest, new AnomalyOptions(), Period);
        var hold = new LastValueImputer(engine.Manifest, 5);
        var reading = new Reading(4);
        var opened = new List<int>();
        for (int tick = 1; tick <= ticks; tick++)
        {
            await sensor.ReadAsync(reading, default);
            bool isUsable = hold.Fill(reading);
            forecaster.Observe(tick, reading, detector.IsOpen);
            if (detector.Observe(forecaster.Errors, reading, isUsable) == AnomalyChange.Opened)
            {
                opened.Add(tick);
            }

            if (isUsable)
            {
                forecaster.Step(tick, reading, detector.IsOpen);
            }
        }

        return (forecaster, opened);
    }
}
