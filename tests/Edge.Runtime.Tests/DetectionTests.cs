using Edge.Runtime.Configuration;
using Edge.Runtime.Detection;
using Edge.Runtime.Engines;
using Edge.Runtime.Sensors;
using Edge.Runtime.Sensors.Simulated;
using Edge.Runtime.Streams;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary>Detector and interval on the simulated greenhouse, whose truth is known.</summary>
public sealed class DetectionTests
{
    [Fact]
    public async Task The_interval_holds_its_share_of_what_comes()
    {
        (Forecaster forecaster, int _) = await RunAsync(seed: 11, [], ticks: 20_000);
        Assert.InRange(forecaster.Coverage, 0.88, 0.92);
    }

    [Fact]
    public async Task Fault_free_hours_raise_hardly_an_alarm()
    {
        int alarms = 0;
        for (int seed = 20; seed < 25; seed++)
        {
            alarms += (await RunAsync(seed, [], ticks: 18_000)).Opened;
        }

        // Five hours at five ticks a second.
        Assert.InRange(alarms, 0, 2);
    }

    [Theory]
    [InlineData(nameof(FaultKind.Spike))]
    [InlineData(nameof(FaultKind.Bias))]
    [InlineData(nameof(FaultKind.Noise))]
    public async Task A_fault_that_surprises_the_model_is_found(string kind)
    {
        int found = 0;
        for (int seed = 30; seed < 50; seed++)
        {
            var fault = new FaultConfig(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(10), Enum.Parse<FaultKind>(kind), Greenhouse.ChannelNames[seed % 3], null);
            found += (await RunAsync(seed, [fault], ticks: 400)).Opened > 0 ? 1 : 0;
        }

        Assert.InRange(found, 19, 20);
    }

    private static async Task<(Forecaster Forecaster, int Opened)> RunAsync(int seed, FaultConfig[] faults, int ticks)
    {
        using IInferenceEngine engine = EngineFactory.Load("demo");
        using var sensor = new SimulatedSensor(
            new SimulatedConfig { Seed = seed, Speed = PlaybackSpeed.Max, Faults = faults }, new Greenhouse(seed), engine.Manifest.Columns, TimeSpan.FromSeconds(0.2), new ManualClock());
        var forecaster = new Forecaster(engine, 0.9);
        var detector = new ResidualDetector(engine.Manifest, new AnomalyConfig());
        var reading = new Reading(4);
        int opened = 0;
        for (int tick = 1; tick <= ticks; tick++)
        {
            await sensor.ReadAsync(reading, default);
            forecaster.Observe(tick, reading);
            opened += detector.Observe(forecaster.Errors) == AnomalyChange.Opened ? 1 : 0;
            forecaster.Step(tick, reading);
        }

        return (forecaster, opened);
    }
}
