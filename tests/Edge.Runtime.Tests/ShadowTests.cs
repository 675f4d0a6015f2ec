using Edge.Runtime.Hosting;
using Edge.Sensors.Simulated;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Tests;

/// <summary>A new model beside the one in use, and the verdict on it.</summary>
[Trait("Runs", "kernels")]
public sealed class ShadowTests
{
    private const int Ticks = 400;
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(0.2);

    [Fact]
    public void The_very_same_model_is_no_worse_wherever_its_trial_begins()
    {
        var verdicts = new List<CanaryVerdict>();
        var plant = new Greenhouse(3);
        IInferenceEngine inUse = EngineFactory.LoadInt8("demo");
        var forecaster = new Forecaster(inUse, 0.9, 0);
        var reading = new Reading(inUse.Manifest.Columns.Count);
        var running = new List<CanaryModel>();
        for (int seq = 1; seq <= 20_000; seq++)
        {
            plant.Step(reading.Values);
            forecaster.Observe(seq, reading, isAbnormal: false);
            if (seq % 31 == 0)
            {
                running.Add(new CanaryModel(EngineFactory.LoadInt8("demo"), inUse.Manifest, new ForecastOptions(), Period, Ticks));
            }

            foreach (CanaryModel shadow in running)
            {
                shadow.Observe(seq, reading, forecaster.Errors, isAbnormal: false);
                shadow.Step(seq, reading, isAbnormal: false);
            }

            forecaster.Step(seq, reading, isAbnormal: false);
            verdicts.AddRange(running.Where(shadow => shadow.Verdict is not null).Select(shadow => shadow.Verdict!.Value));
            running.RemoveAll(shadow => shadow.Verdict is not null);
        }

        Assert.InRange(verdicts.Count, 600, 700);
        Assert.All(verdicts, verdict => Assert.True(verdict.IsNoWorse, $"{verdict}"));
    }
}
