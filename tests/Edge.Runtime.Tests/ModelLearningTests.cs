using System.Text;
using System.Text.Json;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Configuration;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>When a stream learns, what is taken and what is not; training itself is not run here.</summary>
public sealed partial class ModelLearningTests : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(0.2);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _clock = new();
    private readonly List<string> _said = [];
    private readonly List<LearningJob> _jobs = [];
    private readonly byte[] _demo = File.ReadAllBytes(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));
    private readonly StateStore _store;
    private Func<string> _train = () => throw new InputException("there is nothing to learn.");

    public ModelLearningTests() => _store = StateStore.Open(
        _folder.File("state"), TimeSpan.FromSeconds(5), TimeSpan.FromDays(7), _clock, "boot", NullLogger.Instance);

    private string ModelPath => _folder.File("state/models/greenhouse.safetensors");

    public void Dispose()
    {
        _store.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task It_learns_when_there_are_enough_readings_and_tries_again_after_a_failure()
    {
        using var rig = new Rig(this);
        rig.Step(99);
        await rig.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Empty(_jobs);
        Assert.Contains("Has 99 % of the readings", rig.Learning.StateOf("greenhouse"), StringComparison.Ordinal);
        Assert.Null(rig.Learning.StateOf("another"));

        rig.Step(1);
        await rig.UntilAsync(() => _said.Count == 2);
        Assert.Equal(["learning Learns its first model from the stored rows.", "failed No new model: there is nothing to learn."], _said);
        LearningJob job = Assert.Single(_jobs);
        Assert.Equal(["temperature", "humidity", "light", "co2"], job.Columns.Select(each => each.Column));
        Assert.Null(job.ModelInUse);
        Assert.Null(job.AnomaliesFrom);

        // As long as 100 ticks take.
        await rig.WaitAsync(TimeSpan.FromSeconds(15));
        Assert.Single(_jobs);
        await rig.UntilAsync(() => _jobs.Count == 2);
    }

    [Fact]
    public async Task A_stream_with_a_model_of_its_own_learns_once_it_has_the_readings_too()
    {
        using var rig = new Rig(this, isTrained: true);
        rig.Step(99);
        await rig.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Empty(_jobs);
        rig.Step(1);
        await rig.UntilAsync(() => _said.Count == 2);
        Assert.StartsWith("learning Learns again", _said[0], StringComparison.Ordinal);
        LearningJob job = Assert.Single(_jobs);
        Assert.Equal(ModelPath, job.ModelInUse);
        Assert.Equal(DateTime.UnixEpoch, job.AnomaliesFrom);
        Assert.Equal([1, 10, 25], job.Horizons);
    }

    [Fact]
    public async Task A_model_that_does_not_beat_persistence_on_the_newest_rows_is_not_tried()
    {
        using var rig = new Rig(this);
        _train = () => Write(("persistence", 0.9));
        rig.Step(100);
        await rig.UntilAsync(() => _said.Count == 2);
        Assert.Matches("^failed No new model: on the newest rows its error is .* and that of persistence ", _said[1]);
        Assert.False(File.Exists(ModelPath));

        // Nor one of which nothing is known.
        _said.Clear();
        _train = () => Write();
        await rig.UntilAsync(() => _said.Count == 2);
        Assert.Contains("say nothing of its errors", _said[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_good_model_is_tried_and_taken_and_the_next_one_must_beat_it()
    {
        using var rig = new Rig(this);
        _train = () => Write(("persistence", 1.5), ("ridge, 24 rows", 0.9));
        rig.Step(100);
        await rig.UntilAsync(() => _said.Count == 2);
        Assert.StartsWith("trial Model ", _said[1], StringComparison.Ordinal);
        Assert.Contains("the first of this stream", _said[1], StringComparison.Ordinal);

        // The stream ticks until the canary phase is over.
        await rig.StepUntilAsync(() => _said.Count == 3);
        Assert.StartsWith("taken ", _said[2], StringComparison.Ordinal);
        Assert.True(File.Exists(ModelPath));
        Assert.Empty(Directory.GetFiles(_folder.File("state/learn")));
        Assert.True(rig.Control.Stream.Manifest.IsTrained);
        Assert.Contains("Learns again from ", rig.Learning.StateOf("greenhouse"), StringComparison.Ordinal);

        _said.Clear();
        _train = () => Write(("last value", 2), ("model in use", 0.99));
        _clock.Advance(TimeSpan.FromDays(1));
        await rig.UntilAsync(() => _said.Count == 2);
        Assert.Contains("that of the model in use", _said[1], StringComparison.Ordinal);
        Assert.Equal(ModelPath, _jobs[^1].ModelInUse);
        Assert.NotNull(_jobs[^1].AnomaliesFrom);
    }

    [Fact]
    public async Task A_model_waits_until_an_open_anomaly_is_over_so_that_its_end_is_said()
    {
        using var rig = new Rig(this, isTrained: true, after: 1_000_000);
        rig.Step(300);
        Task<string> offered = rig.Updates.OfferLearnedAsync("greenhouse", ModelVariant.Of(_demo, 1), 300);
        rig.Step(590);
        await offered;

        // The 600th tick brings the verdict.
        rig.Step(20, off: 8);
        Assert.NotNull(rig.Control.Stream.CanaryVerdict);
        Assert.True(rig.Control.Stream.IsAnomalyOpen);
        await rig.WaitAsync(TimeSpan.FromMinutes(1));
        rig.Step(0);
        Assert.Equal(["trial"], _said.Select(each => each.Split(' ')[0]));
        await rig.StepUntilAsync(() => _said.Count == 2);
        Assert.StartsWith("taken ", _said[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_candidate_that_a_kill_left_in_its_canary_phase_is_tried_again()
    {
        Directory.CreateDirectory(_folder.File("state/learn"));
        File.WriteAllBytes(_folder.File("state/learn/greenhouse.safetensors.trial"), _demo);
        using var rig = new Rig(this);
        await rig.StepUntilAsync(() => _said.Count == 2);
        Assert.Equal(["trial", "taken"], _said.Select(each => each.Split(' ')[0]));
        Assert.Empty(_jobs);
        Assert.Equal(_demo, File.ReadAllBytes(ModelPath));
    }

    [Fact]
    public async Task A_model_that_was_taken_right_before_a_kill_is_said_to_be_in_use()
    {
        Directory.CreateDirectory(_folder.File("state/learn"));
        string path = _folder.File("state/learn/greenhouse.safetensors.trial");
        File.WriteAllBytes(path, _demo);
        using var rig = new Rig(this, isTrained: true);
        await rig.UntilAsync(() => _said.Count == 1 && !File.Exists(path));
        Assert.Equal("taken The new model is in use.", _said[0]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public async Task A_damaged_candidate_is_said_and_removed(int length)
    {
        Directory.CreateDirectory(_folder.File("state/learn"));
        string path = _folder.File("state/learn/greenhouse.safetensors.trial");
        File.WriteAllBytes(path, _demo[..length]);
        using var rig = new Rig(this);
        await rig.UntilAsync(() => _said.Count == 1 && !File.Exists(path));
        Assert.StartsWith("refused ", _said[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, "is of other columns, units or horizons. A new one is learned.")]
    [InlineData(false, "cannot be used, a new one is learned: ")]
    public void A_learned_model_that_does_not_fit_or_is_damaged_is_no_reason_not_to_start(bool isWhole, string reason)
    {
        StreamConfig config = Parse("columns: [a, b]");
        Directory.CreateDirectory(Path.GetDirectoryName(config.Model)!);
        using var engines = new EngineFactory(new Edge.Onnx.OnnxOptions());
        using (IInferenceEngine none = engines.Load(config))
        {
            Assert.Equal("no model yet", none.Description);
            Assert.Equal(["a", "b"], none.Manifest.Columns);
        }

        File.WriteAllBytes(config.Model, isWhole ? _demo : _demo[..500]);
        string said = "";
        using IInferenceEngine engine = engines.Load(config, why => said = why);
        Assert.False(engine.Manifest.IsTrained);
        Assert.Contains(reason, said, StringComparison.Ordinal);
    }

    [Fact]
    public void Columns_units_and_horizons_come_from_the_source_where_it_says_them()
    {
        LearnOptions learn = Parse("learn: { horizons: [10s, 200ms, 200ms], every: 2d, at: '03:00', memory: 200MB }").Learn!;
        Assert.Equal([("temperature", "degC"), ("humidity", "%RH"), ("light", "klx"), ("co2", "ppm")], learn.Columns);
        Assert.Equal([1, 50], learn.Horizons);
        Assert.Equal(new TimeOnly(3, 0), learn.At);
        Assert.Equal([1, 5, 50], Parse("learn: { }").Learn!.Horizons);
        Assert.Equal(1000, learn.CanaryTicks(Period, null));
        Assert.Equal(144, learn.CanaryTicks(TimeSpan.FromMinutes(1), null));
        Assert.Equal(50, learn.CanaryTicks(Period, 50));

        StreamConfig channels = ConfigFile.Parse(
            """
            device: d
            state: state
            streams:
              - name: s
                period: 1s
                channels:
                  t: { i2c: { bus: 1, address: 0x76, driver: bme280, read: temperature } }
                  f: { i2c: { bus: 1, address: 0x76, driver: bme280, read: temperature }, scale: 1.8, offset: 32 }
                  p: { mqtt: { topic: a/b }, unit: kW }
                learn: { }
            """,
            _folder.File("edge.yaml")).Streams[0];
        Assert.Equal([("t", "degC"), ("f", ""), ("p", "kW")], channels.Learn!.Columns);
    }

    [Fact]
    public void A_missing_program_is_one_sentence()
    {
        Assert.Contains("there is no such file", Assert.Throws<InputException>(
            () => TrainingProcess.Find(_folder.File("edge-quantize"))).Message, StringComparison.Ordinal);
    }

    private StreamConfig Parse(string more) => ConfigFile.Parse(
        $$"""
        device: d
        state: state
        streams:
          - name: greenhouse
            period: 200ms
            source: { simulated: { } }
            {{more}}
            {{(more.StartsWith("learn", StringComparison.Ordinal) ? "" : "learn: { }")}}
        """,
        _folder.File("edge.yaml")).Streams[0];

    // The bundled model as training would write it; each with a hash of its own.
    private string Write(params (string Name, double Factor)[] baselines)
    {
        string path = _folder.File("state/learn/greenhouse.safetensors");
        File.WriteAllBytes(path, ModelVariant.Of(_demo, 1 + _jobs.Count, baselines: baselines));
        return path;
    }

    private sealed class Rig : IDisposable
    {
        private readonly ModelLearningTests _test;
        private readonly Edge.Sensors.Simulated.Greenhouse _plant = new(3);

        /// <param name="test">The test.</param>
        /// <param name="isTrained">Whether there is a model.</param>
        /// <param name="after">Ticks to learn from.</param>
        /// <param name="model">A model that keeps its weights, or null for the bundled one, which is replaced.</param>
        internal Rig(ModelLearningTests test, bool isTrained = false, int after = 100, byte[]? model = null)
        {
            _test = test;
            ModelManifest manifest = EdgeModel.Parse(test._demo).Manifest;
            var columns = manifest.Columns.Zip(manifest.Units).ToArray();
            int[] horizons = [.. manifest.Outputs.Select(output => output.TicksAhead).Distinct()];
            IInferenceEngine engine =
                model is not null ? new Int8Engine(EdgeModel.Parse(model))
                : isTrained ? EngineFactory.LoadInt8("demo") : NoModelEngine.Of("greenhouse", columns, Period, horizons);
            Control = new StreamControl(new SensorStream(engine, new StreamOptions { Name = "greenhouse" }));
            var events = new ModelEvents("house", Take, Info, test._clock, NullLogger.Instance);
            Updates = new ModelUpdates(
                null, new Dictionary<string, string?> { ["greenhouse"] = test.ModelPath }, _ => Control, test._store, events);
            var options = new LearnOptions
            {
                What = model is null ? LearnedPart.Model : LearnedPart.Profile,
                Columns = isTrained ? [] : columns,
                Horizons = horizons,
                After = after * Period,
                Every = TimeSpan.FromDays(1),
            };
            Learning = new ModelLearning(
                [new LearningStream("greenhouse", options, test.ModelPath, 300)], test._folder.File("state/learn"), _ => Control, Updates,
                events, test._store, TrainAsync, test._clock, NullLogger.Instance);
            Learning.Start();
        }

        internal StreamControl Control { get; }

        internal ModelUpdates Updates { get; }

        internal ModelLearning Learning { get; }

        public void Dispose()
        {
            Learning.Dispose();
            Control.Stream.Dispose();
        }

        /// <param name="ticks">How many.</param>
        /// <param name="off">By how much the temperature is wrong.</param>
        internal void Step(int ticks, double off = 0)
        {
            using var reading = new CancellationTokenSource();
            for (int tick = 0; tick < ticks; tick++)
            {
                Control.RunActions(reading);
                var row = new Reading(4) { Time = _test._clock.GetUtcNow().UtcDateTime.AddSeconds(0.2 * Control.Stream.Seq) };
                _plant.Step(row.Values);
                row.Values[0] += off;
                Control.Stream.Step(row);
                Control.AfterTick();
            }

            Control.RunActions(reading);
        }

        // No longer than it takes: the clock moves only while it waits.
        internal async Task WaitAsync(TimeSpan time)
        {
            for (TimeSpan waited = TimeSpan.Zero; waited < time; waited += TimeSpan.FromSeconds(5))
            {
                await Task.Delay(20);
                _test._clock.Advance(TimeSpan.FromSeconds(5));
            }
        }

        internal Task UntilAsync(Func<bool> condition) => Eventually.Async(() =>
        {
            _test._clock.Advance(TimeSpan.FromSeconds(5));
            Step(0);
            return condition();
        });

        internal Task StepUntilAsync(Func<bool> condition) => Eventually.Async(() =>
        {
            Step(1);
            return condition();
        });

        private static MqttMessage Info() => new() { Topic = "edge/house/info", Payload = "{}"u8.ToArray(), Class = MessageClass.Event };

        private Task<string> TrainAsync(LearningJob job, CancellationToken cancel)
        {
            _test._jobs.Add(job);
            return Task.FromResult(_test._train());
        }

        private void Take(MqttMessage message)
        {
            if (message.Topic.EndsWith("/model", StringComparison.Ordinal))
            {
                JsonElement said = JsonDocument.Parse(Encoding.UTF8.GetString(message.Payload.Span)).RootElement;
                lock (_test._said)
                {
                    _test._said.Add($"{said.GetProperty("event").GetString()} {said.GetProperty("message").GetString()}");
                }
            }
        }
    }
}
