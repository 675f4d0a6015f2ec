using Edge.Inference.Models;
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

    // Before that, a model that reads yesterday's rows forecasts without them.
    [Fact]
    public void A_new_model_is_not_compared_before_it_knows_all_rows_that_it_reads()
    {
        const int LagRows = 1440;
        ModelManifest manifest = EngineFactory.LoadInt8("demo").Manifest;
        var engine = new PersistenceEngine(manifest) { LagRowCount = LagRows };
        using var shadow = new CanaryModel(engine, manifest, new ForecastOptions(), Period, Ticks);
        var plant = new Greenhouse(3);
        var forecaster = new Forecaster(new PersistenceEngine(manifest), 0.9, 0);
        var reading = new Reading(manifest.Columns.Count);
        int seq = 0;
        while (shadow.Verdict is null)
        {
            plant.Step(reading.Values);
            forecaster.Observe(++seq, reading, isAbnormal: false);
            shadow.Observe(seq, reading, forecaster.Errors, isAbnormal: false);
            shadow.Step(seq, reading, isAbnormal: false);
            forecaster.Step(seq, reading, isAbnormal: false);
        }

        Assert.Equal(LagRows + Ticks, seq);
    }
}
