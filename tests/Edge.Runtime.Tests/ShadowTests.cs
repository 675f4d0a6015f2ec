using Edge.Inference.Models;
using Edge.Runtime.Hosting;
using Edge.Sensors.Simulated;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;
using Edge.Testing;

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

    [Fact]
    public void A_restart_costs_a_trial_no_tick_and_its_verdict_is_that_of_an_unbroken_one()
    {
        (long seq, CanaryVerdict? verdict) = Try(restartAt: 0);
        Assert.Equal(2 * Ticks, seq);
        Assert.Equal((seq, verdict), Try(restartAt: 100));
        Assert.Equal((seq, verdict), Try(restartAt: 700));

        // It was over, and an anomaly was open that it waited for.
        Assert.Equal((seq + 1, verdict), Try(restartAt: 2 * Ticks, waits: true));
    }

    [Fact]
    public void After_a_kill_a_trial_settles_again_and_keeps_what_was_compared()
    {
        (long seq, CanaryVerdict? verdict) = Try(restartAt: 700, lost: 40);
        Assert.Equal(740 + Ticks + 100, seq);
        Assert.Equal(Ticks, verdict!.Value.Ticks);
        Assert.Equal(703 + (3 * 10) + 100, Try(restartAt: 700, lost: 3).Seq);

        // Another model begins its own trial.
        Assert.Equal(700 + (2 * Ticks), Try(restartAt: 700, isAnother: true).Seq);
    }

    // A sensor often answers before the model is offered again, and a service may be stopped before, too.
    [Fact]
    public void What_a_stream_missed_before_its_trial_continues_is_missed_by_the_new_model_too()
    {
        const int Compared = 50;
        const int Settled = 250;
        ModelManifest manifest = EngineFactory.LoadInt8("demo").Manifest;
        var plant = new Greenhouse(3);
        SensorStream stream = Open();
        stream.BeginCanary(new PersistenceEngine(manifest), Settled);
        while (stream.Seq < Settled + Compared)
        {
            Step(skipped: 0);
        }

        Restart();
        Restart();
        Step(skipped: 40);
        Restart();
        Step(skipped: 2);
        var engine = new PersistenceEngine(manifest);
        stream.BeginCanary(engine, Settled);
        Assert.Equal(40 + 1 + 2 + 1, engine.Skipped);
        Assert.Equal(Compared, stream.CanaryTicks);
        stream.Dispose();

        SensorStream Open() => new(new PersistenceEngine(manifest), new StreamOptions { Name = "s" });

        void Step(long skipped)
        {
            var row = new Reading(4) { Time = DateTime.UnixEpoch.AddYears(50).AddSeconds(stream.Seq), SkippedTicks = skipped };
            plant.Step(row.Values);
            stream.Step(row);
        }

        void Restart()
        {
            (long seq, byte[] saved) = (stream.Seq, stream.Save());
            stream.Dispose();
            stream = Open();
            Assert.True(stream.Resume(seq, saved));
        }
    }

    // The tick of the verdict. Lost: ticks that the stream stepped after the snapshot that it resumes from.
    private static (long Seq, CanaryVerdict? Verdict) Try(int restartAt, int lost = 0, bool isAnother = false, bool waits = false)
    {
        var plant = new Greenhouse(3);
        var options = new StreamOptions { Name = "s" };
        byte[] model = File.ReadAllBytes(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));
        var stream = new SensorStream(EngineFactory.LoadInt8("demo"), options);
        stream.BeginCanary(Engine(1), Ticks);
        byte[] saved = [];
        var rows = new List<Reading>();
        while (stream.Seq < 3000 && (stream.CanaryVerdict is null || (waits && stream.Seq <= restartAt)))
        {
            var row = new Reading(4) { Time = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(0.2 * stream.Seq) };
            plant.Step(row.Values);
            if (stream.Seq == restartAt)
            {
                saved = stream.Save();
            }

            if (stream.Seq == restartAt + lost && restartAt > 0)
            {
                long seq = stream.Seq;
                stream.Dispose();
                stream = new SensorStream(EngineFactory.LoadInt8("demo"), options);
                Assert.True(stream.Resume(restartAt, saved));
                stream.Replay(rows, seq);
                stream.BeginCanary(Engine(isAnother ? 2 : 1), Ticks);
            }

            if (stream.Seq >= restartAt && stream.Seq < restartAt + lost)
            {
                rows.Add(row);
            }

            stream.Step(row);
        }

        (long Seq, CanaryVerdict? Verdict) result = (stream.Seq, stream.CanaryVerdict);
        stream.Dispose();
        return result;

        Int8Engine Engine(int version) => new(EdgeModel.Parse(ModelVariant.Of(model, version)));
    }
}
