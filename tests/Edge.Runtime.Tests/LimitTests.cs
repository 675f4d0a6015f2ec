using Edge.Inference;
using Edge.Inference.Models;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Streams.Limits;

namespace Edge.Runtime.Tests;

/// <summary>Limits on readings and forecasts, over a model whose forecasts a test sets.</summary>
public sealed class LimitTests
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    [Fact]
    public void A_forecast_beyond_a_limit_is_an_event_with_the_time_to_it_and_how_sure_it_is()
    {
        var engine = new SetEngine();
        using SensorStream stream = Open(engine, new LimitOptions { Column = "t", High = 85, Hysteresis = 1 });
        engine.Set(80, 82);
        Assert.Empty(Step(stream, 78));
        Assert.Empty(Step(stream, 79));

        // From 80 now over 84 in 20 s to 88 in 40 s: 85 in 25 s.
        engine.Set(84, 88);
        LimitEvent opened = Assert.Single(Step(stream, 80));
        Assert.Equal(
            (LimitChange.Opened, LimitSide.High, LimitStage.Expected, 80.0), (opened.Change, opened.Side, opened.Stage, opened.Value));
        Assert.Equal(25, opened.SecondsToLimit, 9);
        Assert.InRange(opened.Probability, 0.5, 1);
        Assert.StartsWith("t will exceed 85 degC in 25 s (", opened.Message, StringComparison.Ordinal);
        Assert.Equal(25, Assert.Single(stream.Limits).SecondsToLimit, 9);

        engine.Set(86, 88);
        LimitEvent beyond = Assert.Single(Step(stream, 85.5));
        Assert.Equal((opened.Id, LimitChange.Updated, LimitStage.Exceeded), (beyond.Id, beyond.Change, beyond.Stage));
        Assert.Equal((0, 1), (beyond.SecondsToLimit, beyond.Probability));
        Assert.Equal("t is 85.5 degC, above its limit of 85 degC.", beyond.Message);

        // Inside the hysteresis the event stays open; behind it, with a forecast that is inside too, it closes.
        engine.Set(80, 80);
        Assert.Empty(Step(stream, 84.5));
        LimitEvent closed = Assert.Single(Step(stream, 83.9));
        Assert.Equal(
            (opened.Id, LimitChange.Closed, LimitStage.Inside, opened.Started),
            (closed.Id, closed.Change, closed.Stage, closed.Started));
        Assert.Empty(Step(stream, 83));
    }

    [Fact]
    public void A_lower_limit_is_the_same_from_below()
    {
        var engine = new SetEngine();
        using SensorStream stream = Open(engine, new LimitOptions { Column = "t", Low = 5, Hysteresis = 1 });
        engine.Set(9, 9);
        Step(stream, 10);
        engine.Set(6, 4);
        LimitEvent opened = Assert.Single(Step(stream, 8));
        Assert.Equal((LimitSide.Low, LimitStage.Expected), (opened.Side, opened.Stage));
        Assert.Equal(30, opened.SecondsToLimit, 9);
        Assert.StartsWith("t will fall below 5 degC in 30 s", opened.Message, StringComparison.Ordinal);
        Assert.Equal("t is 4.5 degC, below its limit of 5 degC.", Assert.Single(Step(stream, 4.5)).Message);
    }

    // The first interval is that of normal errors of the model's size: half a standard deviation is 69 %.
    [Theory]
    [InlineData(0.5, 85.0, 0.5)]
    [InlineData(0.5, 86.0, 0.841345)]
    [InlineData(0.2, 84.5, 0.308538)]
    public void The_interval_decides_how_sure_it_is(double probability, double forecast, double expected)
    {
        var engine = new SetEngine();
        using SensorStream stream = Open(engine, new LimitOptions { Column = "t", High = 85, Probability = probability });
        engine.Set(70, 70);
        Step(stream, 70);
        engine.Set(70, forecast);
        Assert.Equal(expected, Assert.Single(Step(stream, 70)).Probability, 3);
    }

    [Fact]
    public void A_forecast_below_the_wanted_probability_opens_nothing()
    {
        var engine = new SetEngine();
        using SensorStream stream = Open(engine, new LimitOptions { Column = "t", High = 85, Probability = 0.9 });
        engine.Set(70, 70);
        Step(stream, 70);
        engine.Set(70, 86);
        Assert.Empty(Step(stream, 70));
        engine.Set(70, 86.4);
        Assert.Equal(0.919, Assert.Single(Step(stream, 70)).Probability, 2);
    }

    [Fact]
    public void A_resumed_stream_goes_on_with_the_same_event()
    {
        var engine = new SetEngine();
        LimitOptions limit = new() { Column = "t", High = 85 };
        using SensorStream stream = Open(engine, limit);
        engine.Set(70, 70);
        Step(stream, 70);
        engine.Set(70, 90);
        string id = Assert.Single(Step(stream, 70)).Id;
        byte[] saved = stream.Save();

        var second = new SetEngine();
        using SensorStream again = Open(second, limit);
        Assert.True(again.Resume(stream.Seq, saved));
        Assert.Equal(LimitStage.Expected, Assert.Single(again.Limits).Stage);
        second.Set(70, 70);
        LimitEvent closed = Assert.Single(Step(again, 70));
        Assert.Equal((id, LimitChange.Closed), (closed.Id, closed.Change));
    }

    // Who tells a person at the tick at which a stage begins tells it once.
    [Fact]
    public void An_event_says_when_its_stage_began()
    {
        var engine = new SetEngine();
        LimitOptions limit = new() { Column = "t", High = 85, Hysteresis = 1 };
        SensorStream stream = Open(engine, limit);
        engine.Set(70, 70);
        Step(stream, 70);
        engine.Set(70, 90);
        var events = new List<(LimitEvent Event, DateTime Time)>();
        for (int tick = 0; tick < 200; tick++)
        {
            // Resumed now and then.
            if (tick % 50 == 10)
            {
                byte[] saved = stream.Save();
                long seq = stream.Seq;
                stream.Dispose();
                engine = new SetEngine();
                engine.Set(70, 90);
                stream = Open(engine, limit);
                Assert.True(stream.Resume(seq, saved));
            }

            DateTime time = DateTime.UnixEpoch + (stream.Seq * Period);
            events.AddRange(Step(stream, tick < 100 ? 80 : 86).Select(each => (each, time)));
        }

        Assert.Equal(
            [
                (LimitStage.Expected, true),
                (LimitStage.Expected, false),
                (LimitStage.Exceeded, true),
                (LimitStage.Exceeded, false),
                (LimitStage.Exceeded, false),
            ],
            events.Select(each => (each.Event.Stage, each.Event.StageSince == each.Time)));
        Assert.Equal(2, events.Select(each => each.Event.StageSince).Distinct().Count());
        stream.Dispose();
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void A_state_of_an_earlier_version_begins_again_and_its_numbers_go_on(byte version)
    {
        LimitOptions limit = new() { Column = "t", High = 85 };
        var engine = new SetEngine();
        using SensorStream stream = Open(engine, limit);
        engine.Set(70, 70);
        Step(stream, 70);
        byte[] saved = stream.Save();
        saved[0] = version;

        using SensorStream again = Open(new SetEngine(), limit);
        Assert.False(again.Resume(stream.Seq, saved));
        Assert.Equal(stream.Seq, again.Seq);
    }

    [Fact]
    public void A_channel_that_the_model_lacks_is_refused()
    {
        InputException e = Assert.Throws<InputException>(() => Open(new SetEngine(), new LimitOptions { Column = "x", High = 1 }));
        Assert.Equal("'limits' has x, which the model does not read; its columns are t.", e.Message);
    }

    [Theory]
    [InlineData(0, 0.5)]
    [InlineData(1, 0.8413447)]
    [InlineData(-1.959964, 0.025)]
    [InlineData(40, 1)]
    public void The_normal_distribution_is_that_of_the_tables(double x, double probability) =>
        Assert.Equal(probability, NormalDistribution.Cumulative(x), 6);

    private static SensorStream Open(SetEngine engine, LimitOptions limit) =>
        new(engine, new StreamOptions { Name = "s", Period = Period, Limits = [limit] });

    private static LimitEvent[] Step(SensorStream stream, double value)
    {
        var reading = new Reading(1) { Time = DateTime.UnixEpoch + (stream.Seq * Period) };
        reading.Values[0] = value;
        return [.. stream.Step(reading).Limits];
    }

    // Forecasts 2 and 4 ticks ahead, each with an expected error of one degree.
    private sealed class SetEngine : IInferenceEngine
    {
        private readonly float[] _next = new float[2];

        public ModelManifest Manifest { get; } = ModelManifest.Parse("""
            {"name":"set","columns":["t"],"units":["degC"],"mean":[0],"std":[1],"period_seconds":10,
             "outputs_named":["t[t+2]","t[t+4]"],"output_rmse_normalised":[1,1],"hidden_size":1,"layers":1}
            """u8.ToArray());

        public string ModelSha256 => new('0', 64);

        public string Description => "set";

        public ReadOnlySpan<long> InputSaturations => new long[1];

        public long StateSaturations => 0;

        internal void Set(double near, double far) => (_next[0], _next[1]) = ((float)near, (float)far);

        public void Step(ReadOnlySpan<float> x, Span<float> y) => _next.CopyTo(y);

        public byte[] SaveState() => [];

        public void RestoreState(ReadOnlySpan<byte> state)
        {
        }

        public float[] ExportState() => [];

        public void ImportState(ReadOnlySpan<float> state)
        {
        }

        public IInferenceEngine Fork() => new SetEngine();

        public void CopyStateTo(IInferenceEngine fork)
        {
        }

        public void Dispose()
        {
        }
    }
}
