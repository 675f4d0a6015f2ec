using System.Text;
using System.Text.Json;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Web;
using Edge.Sensors.Simulated;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Tests.Web;

/// <summary>What the page copies of a stream is what the stream had.</summary>
public sealed class StreamViewTests : IDisposable
{
    private const int MemoryBytes = 1 << 20;
    private static readonly DateTime Begin = new(2026, 3, 1, 12, 0, 0, DateTimeKind.Utc);

    private readonly Random _random = new(5);
    private SensorStream _stream = Make(TimeSpan.FromMilliseconds(200));

    public void Dispose() => _stream.Dispose();

    [Fact]
    public void The_interval_of_a_point_is_the_one_that_was_forecast_for_it()
    {
        var view = new StreamView(() => _stream, MemoryBytes);
        var expected = new List<float>();
        float next = float.NaN;
        for (int i = 0; i < 60; i++)
        {
            StreamTick tick = Step(i);
            view.Observe(tick);
            expected.Add(next);
            next = tick.Forecast is { } forecast ? (float)forecast.Low(0) : float.NaN;
        }

        JsonElement points = Read(view);
        Assert.Equal(60, points.GetProperty("t").GetArrayLength());
        Assert.False(points.TryGetProperty("min", out _));
        float[] low = [.. points.GetProperty("low")[0].EnumerateArray().Select(Number)];
        Assert.Equal(expected, low, (a, b) => (float.IsNaN(a) && float.IsNaN(b)) || MathF.Abs(a - b) <= 1e-6f * MathF.Abs(a));
        Assert.Equal(2, low.Count(float.IsNaN));
    }

    [Fact]
    public void A_point_of_a_fast_stream_is_the_range_and_the_mean_of_its_ticks()
    {
        _stream.Dispose();
        _stream = Make(TimeSpan.FromMilliseconds(10));
        var view = new StreamView(() => _stream, MemoryBytes);
        var values = new List<double>();
        for (int i = 0; i < 110; i++)
        {
            StreamTick tick = Step(i);
            values.Add(tick.Reading.Values[0]);
            view.Observe(tick);
        }

        // A tenth of a second has eleven ticks: from its first to its last.
        JsonElement points = Read(view);
        Assert.Equal(10, points.GetProperty("t").GetArrayLength());
        double[][] groups = [.. values.Chunk(11)];
        Close(groups.Select(group => group.Average()), points.GetProperty("v")[0]);
        Close(groups.Select(group => group.Min()), points.GetProperty("min")[0]);
        Close(groups.Select(group => group.Max()), points.GetProperty("max")[0]);
    }

    [Fact]
    public void Thinned_points_keep_the_extremes()
    {
        var view = new StreamView(() => _stream, MemoryBytes);
        for (int i = 0; i < 200; i++)
        {
            view.Observe(Step(i, spike: i == 77 ? 9 : 0));
        }

        JsonElement all = Read(view);
        JsonElement thin = Read(view, 20);
        Assert.InRange(thin.GetProperty("t").GetArrayLength(), 10, 20);
        Assert.Equal(all.GetProperty("v")[0].EnumerateArray().Max(Number), thin.GetProperty("max")[0].EnumerateArray().Max(Number));
        Assert.Equal(all.GetProperty("v")[0].EnumerateArray().Min(Number), thin.GetProperty("min")[0].EnumerateArray().Min(Number));
        Assert.Equal(all.GetProperty("score").EnumerateArray().Max(Number), thin.GetProperty("score").EnumerateArray().Max(Number));
    }

    [Theory]
    [InlineData(3, 0)]
    [InlineData(4, 1)]
    [InlineData(900, 1)]
    public void Where_rows_are_missing_the_curve_has_a_break(int periods, int breaks)
    {
        var view = new StreamView(() => _stream, MemoryBytes);
        for (int i = 0; i < 100; i++)
        {
            view.Observe(Step(i));
        }

        long next = view.Points.Written;
        for (int i = 0; i < 100; i++)
        {
            view.Observe(Step(99 + periods + i));
        }

        // As a page reads that is opened later, one that listens, and one that shows few points.
        Assert.Equal(breaks, Breaks(Read(view)));
        Assert.Equal(breaks, Breaks(JsonOf(view.Points.Read(next).Points)));
        Assert.Equal(breaks, Breaks(Read(view, 20)));
        Assert.InRange(Read(view, 20).GetProperty("t").GetArrayLength(), 15, 22);
    }

    [Fact]
    public void What_is_stored_is_listed_from_the_start_on()
    {
        var view = new StreamView(() => _stream, MemoryBytes);
        var stored = new HistoryEvent(5, Begin, "climate-5", HistoryEventKind.Anomaly, "opened", 4, "light is wrong.")
        {
            Started = Begin.AddSeconds(-1),
            Channel = "light",
        };
        view.Recall([stored], anomalies: 12);
        PageEvent shown = Assert.Single(view.Events().Events);
        Assert.Equal(("climate-5", "anomaly", 2, "critical"), (shown.Id, shown.Kind, shown.Column, shown.Severity));
        Assert.Equal(1000, shown.TimeMs - shown.StartedMs);
        for (int i = 0; i < 300; i++)
        {
            view.Observe(Step(i, spike: i > 250 ? 9 : 0));
        }

        Assert.Equal(13, view.Anomalies);
        Assert.Equal(["climate-5", "climate-252"], view.Events().Events.Select(each => each.Id).Distinct());
    }

    [Fact]
    public void Gates_cell_and_hidden_state_are_those_of_the_engine()
    {
        var view = new StreamView(() => _stream, MemoryBytes);
        Assert.Null(view.Cell);
        Assert.True(view.BeginCell());
        for (int i = 0; i < 50; i++)
        {
            view.Observe(Step(i));
        }

        (CellFrame[] frames, long next) = view.Cell!.Read(0);
        Assert.Equal((49, 49L), (frames.Length, next));
        float[] state = _stream.Engine.ExportState();
        (float[] i0, float[] f0, float[] g0, float[] o0) =
            (frames[^1].Layers[0][0], frames[^1].Layers[0][1], frames[^1].Layers[0][2], frames[^1].Layers[0][3]);
        float[] cell = frames[^1].Layers[0][4];
        float[] before = frames[^2].Layers[0][4];
        float[] hidden = frames[^1].Layers[0][5];
        int units = hidden.Length;
        Assert.Equal(state[units..(2 * units)], cell);
        for (int unit = 0; unit < units; unit++)
        {
            // c = f·c' + i·g and h = o·tanh(c), within the steps of the formats.
            Assert.Equal((f0[unit] * before[unit]) + (i0[unit] * g0[unit]), cell[unit], 2e-3);
            Assert.Equal(o0[unit] * MathF.Tanh(cell[unit]), hidden[unit], 1e-3);
        }

        view.EndCell();
        Assert.Null(view.Cell);
    }

    [Fact]
    public void A_tick_that_no_client_watches_allocates_nothing()
    {
        var view = new StreamView(() => _stream, MemoryBytes);
        int allocating = 0;
        for (int i = 0; i < 300; i++)
        {
            StreamTick tick = Step(i);
            long before = GC.GetAllocatedBytesForCurrentThread();
            view.Observe(tick);
            bool allocates = GC.GetAllocatedBytesForCurrentThread() > before;
            allocating += tick.Anomaly is null && i > 0 && allocates ? 1 : 0;
        }

        // A few by chance: see AllocatedBytes.
        Assert.InRange(allocating, 0, 10);
    }

    [Fact]
    public async Task A_reader_sees_whole_points_while_they_are_overwritten()
    {
        var ring = new PointRing(columns: 3, capacity: 50, gapMs: double.PositiveInfinity);
        var reading = new Reading(3);
        const int Points = 50_000;
        Task writing = Task.Run(() =>
        {
            var point = new PointBuilder(3);
            for (int i = 0; i < Points; i++)
            {
                Array.Fill(reading.Values, i);
                point.Clear();
                point.Add(i, reading, i);
                ring.Add(point);
            }
        });
        while (!writing.IsCompleted)
        {
            (Series series, long next) = ring.Read(0);
            Assert.InRange(next, 0, Points);
            JsonElement points = JsonOf(series);
            long[] times = [.. points.GetProperty("t").EnumerateArray().Select(each => each.GetInt64())];
            Assert.Equal(times.Order(), times);
            for (int column = 0; column < 3; column++)
            {
                Assert.Equal(times, points.GetProperty("v")[column].EnumerateArray().Select(each => each.GetInt64()));
            }
        }

        await writing;
        Assert.Equal(49, ring.Read(0).Points.Count);
        Assert.Equal(Points, ring.Written);
    }

    private static SensorStream Make(TimeSpan period) => new(
        EngineFactory.LoadInt8("demo"),
        new StreamConfig { Name = "climate", Model = "demo", Source = new SimulatedOptions(), Period = period });

    private StreamTick Step(int i, double spike = 0)
    {
        var reading = new Reading(4) { Time = Begin + (i * _stream.Period) };
        for (int column = 0; column < 4; column++)
        {
            double deviation = (0.2 * (_random.NextDouble() - 0.5)) + (column == 0 ? spike : 0);
            reading.Values[column] = _stream.Manifest.Denormalize(column, deviation);
        }

        return _stream.Step(reading);
    }

    private static void Close(IEnumerable<double> expected, JsonElement actual) =>
        Assert.Equal(expected, actual.EnumerateArray().Select(each => each.GetDouble()), (a, b) => Math.Abs(a - b) <= 1e-5 * Math.Abs(a));

    private static int Breaks(JsonElement points)
    {
        JsonElement[] scores = [.. points.GetProperty("score").EnumerateArray()];
        int[] empty = [.. Enumerable.Range(0, scores.Length).Where(i => scores[i].ValueKind == JsonValueKind.Null)];
        Assert.All(empty, i => Assert.Equal(JsonValueKind.Null, points.GetProperty("v")[0][i].ValueKind));
        return empty.Length;
    }

    private static float Number(JsonElement value) => value.ValueKind == JsonValueKind.Null ? float.NaN : value.GetSingle();

    private static JsonElement Read(StreamView view, int points = int.MaxValue) => JsonOf(view.Points.Read(0).Points.Thinned(points));

    private static JsonElement JsonOf(Series series)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            series.Write(json);
            json.WriteEndObject();
        }

        return JsonDocument.Parse(Encoding.UTF8.GetString(bytes.ToArray())).RootElement;
    }
}
