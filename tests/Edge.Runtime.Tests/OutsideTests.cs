using System.Text.Json;
using Edge.Inference.Models;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Sensors.Simulated;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Engines;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Tests;

/// <summary>A stream whose readings are where the calibration rows of its model never were.</summary>
public sealed class OutsideTests
{
    private const int Channels = 4;

    private readonly Random _random = new(5);
    private readonly ListLog _log = new();

    [Fact]
    public void Readings_outside_what_the_model_knows_are_in_health_and_logged_once_each_way()
    {
        using SensorStream stream = Open();
        Assert.True(double.IsNaN(stream.Health.OutsideShare));
        Run(stream, ticks: 120, shifted: 0);
        Assert.Equal(0, stream.Health.OutsideShare);
        Assert.Equal(0, Health(stream).GetProperty("outside").GetDouble());
        Assert.Empty(_log.Lines);

        // One channel of four is not enough.
        Run(stream, ticks: 60, shifted: 1);
        Assert.Equal(0.25, stream.Health.OutsideShare);
        Assert.Empty(_log.Lines);

        Run(stream, ticks: 180, shifted: 3);
        Assert.Equal(0.75, Health(stream).GetProperty("outside").GetDouble());
        (LogLevel Level, string Text) entered = Assert.Single(_log.Lines);
        Assert.Equal(LogLevel.Warning, entered.Level);
        Assert.Matches(
            "^s: tick 240: outside what the model knows: levels are not those of its calibration rows: [^,]+ is about [^,]+, not ",
            entered.Text);

        // Half way back is still outside.
        Run(stream, ticks: 60, shifted: 1);
        Assert.Single(_log.Lines);
        Run(stream, ticks: 120, shifted: 0);
        Assert.Equal(0, stream.Health.OutsideShare);
        Assert.Equal([entered, (LogLevel.Information, "s: tick 480: inside what the model knows again")], _log.Lines);
    }

    [Fact]
    public void A_stream_that_is_outside_when_it_starts_again_says_so_again()
    {
        using SensorStream before = Open();
        Run(before, ticks: 240, shifted: 4);
        Assert.Single(_log.Lines);

        using SensorStream after = Open();
        Assert.True(after.Resume(before.Seq, before.Save()));
        Assert.Equal(1, after.Health.OutsideShare);
        Run(after, ticks: 1, shifted: 4);
        Assert.Equal(2, _log.Lines.Count);
    }

    [Fact]
    public void The_parts_of_a_score_are_its_causes_and_the_largest_is_the_score()
    {
        using SensorStream stream = Open();
        var largest = new double[Enum.GetValues<AnomalyCause>().Length];
        for (int tick = 0; tick < 600; tick++)
        {
            Run(stream, ticks: 1, shifted: tick is >= 200 and < 400 ? 2 : 0);
            double[] parts = [.. Enum.GetValues<AnomalyCause>().Select(stream.ScoreOf)];
            Assert.Equal(stream.AnomalyScore, parts.Max());
            Assert.Equal(stream.AnomalyScore, stream.Health.AnomalyScore);
            largest = [.. largest.Zip(parts, Math.Max)];
        }

        Assert.True(largest[(int)AnomalyCause.Level] >= 1);
        Assert.Equal(0, largest[(int)AnomalyCause.Sensor]);
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.ScoreOf((AnomalyCause)99));
    }

    [Fact]
    public void A_jump_within_the_usual_range_is_a_surprise_to_the_model()
    {
        using var stream = new SensorStream(EngineFactory.LoadInt8("demo"), new StreamOptions { Name = "s" }, _log);
        var plant = new Greenhouse(5);
        double largest = 0;
        for (int tick = 1; tick <= 800; tick++)
        {
            var reading = new Reading(Channels) { Time = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(0.2 * tick) };
            plant.Step(reading.Values);
            Array.Fill(reading.Quality, Quality.Good);
            reading.Values[0] += tick is >= 700 and < 710 ? 1.5 * stream.Manifest.Std[0] : 0;
            stream.Step(reading);
            if (tick is >= 600 and < 700)
            {
                Assert.InRange(stream.ScoreOf(AnomalyCause.Residual), 0, 1);
            }

            largest = Math.Max(largest, stream.ScoreOf(AnomalyCause.Residual));
        }

        Assert.True(largest >= 1);
    }

    private SensorStream Open()
    {
        IInferenceEngine engine = EngineFactory.LoadInt8("demo");
        var random = new Random(4);
        float[] rows = [.. Enumerable.Range(0, 4000 * Channels).Select(_ => (float)Normal(random))];
        ModelManifest manifest = engine.Manifest.WithNormalProfile(NormalProfileLearner.Learn(rows, Channels));
        return new SensorStream(new ProfiledEngine(engine, manifest), new StreamOptions { Name = "s" }, _log);
    }

    // Noise as in the calibration rows; the first few channels 20 standard deviations above it.
    private void Run(SensorStream stream, int ticks, int shifted)
    {
        for (int tick = 0; tick < ticks; tick++)
        {
            var reading = new Reading(Channels) { Time = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(0.2 * stream.Seq) };
            for (int channel = 0; channel < Channels; channel++)
            {
                double standard = Normal(_random) + (channel < shifted ? 20 : 0);
                reading.Values[channel] = stream.Manifest.Mean[channel] + (stream.Manifest.Std[channel] * standard);
                reading.Quality[channel] = Quality.Good;
            }

            stream.Step(reading);
        }
    }

    private static JsonElement Health(SensorStream stream)
    {
        using var payloads = new StreamPayloads("d", stream, new PublishOptions(), TimeSpan.FromDays(1));
        MqttMessage message = payloads.Health(stream.Seq, new Reading(Channels), stream.Health, 0, null);
        return JsonDocument.Parse(message.Payload).RootElement;
    }

    // Box and Muller.
    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <summary>An engine whose manifest has another profile.</summary>
    private sealed class ProfiledEngine(IInferenceEngine engine, ModelManifest manifest) : IInferenceEngine
    {
        public ModelManifest Manifest => manifest;

        public string ModelSha256 => engine.ModelSha256;

        public string Description => engine.Description;

        public ReadOnlySpan<long> InputSaturations => engine.InputSaturations;

        public long StateSaturations => engine.StateSaturations;

        public void Step(ReadOnlySpan<float> inputs, Span<float> outputs) => engine.Step(inputs, outputs);

        public IInferenceEngine Fork() => new ProfiledEngine(engine.Fork(), manifest);

        public void CopyStateTo(IInferenceEngine fork) => engine.CopyStateTo(((ProfiledEngine)fork).Inner);

        public float[] ExportState() => engine.ExportState();

        public void ImportState(ReadOnlySpan<float> values) => engine.ImportState(values);

        public byte[] SaveState() => engine.SaveState();

        public void RestoreState(ReadOnlySpan<byte> saved) => engine.RestoreState(saved);

        public void Dispose() => engine.Dispose();

        private IInferenceEngine Inner => engine;
    }
}
