using System.Text.Json;
using Edge.Inference;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Sensors.Simulated;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>A stream from rows to messages, with the bundled model.</summary>
[Trait("Runs", "kernels")]
public sealed class SensorStreamTests
{
    [Fact]
    public async Task Every_row_is_a_reading_and_every_row_after_the_first_a_forecast()
    {
        List<MqttMessage> messages = await RunAsync(Rows(100));
        Assert.Equal(Enumerable.Range(1, 100), Seqs(messages, "reading"));
        Assert.Equal(Enumerable.Range(2, 99), Seqs(messages, "forecast"));
    }

    [Fact]
    public async Task Payloads_are_as_documented()
    {
        List<MqttMessage> messages = await RunAsync(Rows(30));
        foreach (MqttMessage message in messages.Where(message => message.ContentType is not null))
        {
            using JsonDocument json = JsonDocument.Parse(message.Payload);
            JsonElement root = json.RootElement;
            Assert.Equal("greenhouse", root.GetProperty("device").GetString());
            Assert.Equal("climate", root.GetProperty("stream").GetString());
            Assert.Matches("^2026-01-01T00:00:\\d\\d\\.\\d{3}Z$", root.GetProperty("time").GetString());
            Assert.Matches("^[0-9a-f]{6}$", root.GetProperty("model").GetString());
            Assert.Equal(message.Seq, root.GetProperty("seq").GetInt64());
        }

        MqttMessage forecast = messages.Last(message => message.Topic == "edge/greenhouse/climate/forecast");
        Assert.Equal((1, false, "application/json"), (forecast.QualityOfService, forecast.Retain, forecast.ContentType));
        Assert.NotNull(forecast.ExpirySeconds);
        using JsonDocument document = JsonDocument.Parse(forecast.Payload);
        Assert.Equal([0.2, 2, 5], document.RootElement.GetProperty("horizon_seconds").EnumerateArray().Select(item => item.GetDouble()));
        Assert.Equal(0.9, document.RootElement.GetProperty("interval").GetDouble());
        foreach (JsonProperty channel in document.RootElement.GetProperty("channels").EnumerateObject())
        {
            double[] value = Numbers(channel.Value, "value");
            double[] low = Numbers(channel.Value, "low");
            double[] high = Numbers(channel.Value, "high");
            Assert.Equal(3, value.Length);
            Assert.All(Enumerable.Range(0, 3), i => Assert.True(low[i] < value[i] && value[i] < high[i]));
        }

        Assert.Equal(0, messages.First(message => message.Topic.EndsWith("/reading", StringComparison.Ordinal)).QualityOfService);
        MqttMessage health = messages.Last(message => message.Topic.EndsWith("/health", StringComparison.Ordinal));
        Assert.True(health.Retain);
        Assert.Equal(
            "OFF",
            System.Text.Encoding.UTF8.GetString(
                messages.First(message => message.Topic.EndsWith("/anomaly/state", StringComparison.Ordinal)).Payload.Span));
    }

    [Fact]
    public async Task A_missing_value_is_held_and_then_the_stream_waits()
    {
        double?[][] rows = Rows(40);
        for (int row = 20; row < 30; row++)
        {
            rows[row][1] = null;
        }

        List<MqttMessage> messages = await RunAsync(rows, holdTicks: 3);
        Assert.Equal(Enumerable.Range(1, 40), Seqs(messages, "reading"));

        // Rows 21 to 23 hold humidity, 24 to 30 have nothing to hold, from 31 on it is back.
        Assert.Equal([.. Enumerable.Range(2, 22), .. Enumerable.Range(31, 10)], Seqs(messages, "forecast"));
        JsonElement[] readings = Payloads(messages, "reading");
        Assert.Equal("held", readings[20].GetProperty("channels").GetProperty("humidity").GetProperty("quality").GetString());
        Assert.Equal(
            readings[19].GetProperty("channels").GetProperty("humidity").GetProperty("value").GetDouble(),
            readings[22].GetProperty("channels").GetProperty("humidity").GetProperty("value").GetDouble());
        Assert.Equal(JsonValueKind.Null, readings[25].GetProperty("channels").GetProperty("humidity").GetProperty("value").ValueKind);
        Assert.Equal("missing", readings[25].GetProperty("channels").GetProperty("humidity").GetProperty("quality").GetString());
        Assert.False(readings[35].GetProperty("channels").GetProperty("humidity").TryGetProperty("quality", out _));
        JsonElement health = Payloads(messages, "health")[^1];
        Assert.Equal(7, health.GetProperty("missed_ticks").GetInt32());
        Assert.Equal(10, health.GetProperty("sensors").GetProperty("humidity").GetProperty("bad_ticks").GetInt32());
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(1e308)]
    public async Task A_value_that_is_not_finite_to_the_model_never_reaches_it(double bad)
    {
        double?[][] rows = Rows(20);
        rows[9][2] = bad;
        List<MqttMessage> messages = await RunAsync(rows);
        Assert.Equal(
            "held",
            Payloads(messages, "reading")[9].GetProperty("channels").GetProperty("light").GetProperty("quality").GetString());
        Assert.Equal(Enumerable.Range(2, 19), Seqs(messages, "forecast"));
    }

    [Fact]
    public async Task Before_a_channels_first_value_there_is_nothing_to_step()
    {
        double?[][] rows = Rows(10);
        rows[0][3] = null;
        rows[1][3] = null;
        Assert.Equal(Enumerable.Range(3, 8), Seqs(await RunAsync(rows), "forecast"));
    }

    [Fact]
    public async Task A_fault_opens_one_anomaly_with_its_channel_and_closes_it()
    {
        double?[][] rows = Rows(300);
        for (int row = 150; row < 170; row++)
        {
            rows[row][0] += 7;
        }

        List<MqttMessage> messages = await RunAsync(rows);
        JsonElement[] events = Payloads(messages, "anomaly");
        Assert.Equal(["opened", "closed"], events.Select(item => item.GetProperty("event").GetString()));
        Assert.Single(events.Select(item => item.GetProperty("id").GetString()).Distinct());
        Assert.True(events[0].GetProperty("channels").TryGetProperty("temperature", out _));
        Assert.InRange(events[0].GetProperty("seq").GetInt32(), 151, 156);
        Assert.Equal("2026-01-01T00:02:30.000Z", events[0].GetProperty("started").GetString());
        Assert.StartsWith("temperature is ", events[0].GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(
            ["OFF", "ON", "OFF"],
            messages.Where(message => message.Topic.EndsWith("/anomaly/state", StringComparison.Ordinal))
                .Select(message => System.Text.Encoding.UTF8.GetString(message.Payload.Span)));
    }

    [Fact]
    public async Task The_same_rows_give_the_same_bytes()
    {
        List<MqttMessage> first = await RunAsync(Rows(200));
        List<MqttMessage> second = await RunAsync(Rows(200));
        Assert.Equal(first.Count, second.Count);
        Assert.All(
            first.Zip(second),
            pair => Assert.True(pair.First.Topic == pair.Second.Topic && pair.First.Payload.Span.SequenceEqual(pair.Second.Payload.Span)));
    }

    [Fact]
    public async Task A_stream_that_is_resumed_at_any_tick_says_what_an_unbroken_one_says()
    {
        double?[][] rows = Rows(260);
        rows[120] = [99, 84, 10, 800];
        rows[121] = [99, 84, 10, 800];
        rows[122] = [99, 84, 10, 800];
        rows[150] = [null, 84, 10, 800];
        List<MqttMessage> unbroken = await RunAsync(rows);
        string[] expected = Bodies(unbroken);
        foreach (int at in new[] { 1, 2, 26, 119, 121, 122, 123, 130, 150, 151, 259 })
        {
            var messages = new List<MqttMessage>();
            byte[] snapshot = [];
            long seq = 0;
            using (StreamLoop first = Stream(rows, (stream, _, tick, _, _) =>
            {
                if (stream.Seq <= at)
                {
                    messages.AddRange(tick);
                    (snapshot, seq) = (stream.Save(), stream.Seq);
                }

                return ValueTask.CompletedTask;
            }))
            {
                await first.RunAsync(default, default);
            }

            using StreamLoop second = Stream(
                rows,
                (_, _, tick, _, _) =>
                {
                    messages.AddRange(tick);
                    return ValueTask.CompletedTask;
                },
                (seq, snapshot));
            Assert.Equal(at, second.Stream.Rows);
            await second.RunAsync(default, default);
            Assert.Equal(expected, Bodies(messages));
        }
    }

    [Fact]
    public void A_snapshot_of_another_model_or_length_is_not_used_but_numbers_go_on()
    {
        using var stream = new SensorStream(EngineFactory.LoadInt8("demo"), new StreamOptions { Name = "climate" });
        byte[] snapshot = stream.Save();
        Assert.True(stream.Resume(7, snapshot));
        snapshot[5] ^= 1;
        Assert.False(stream.Resume(9, snapshot));
        Assert.False(stream.Resume(9, snapshot.AsSpan(0, snapshot.Length - 1)));
        Assert.False(stream.Resume(9, []));
        Assert.Equal(9, stream.Seq);
    }

    [Fact]
    public async Task Skill_is_what_the_readings_and_forecasts_themselves_say()
    {
        List<MqttMessage> messages = await RunAsync(Rows(600));
        JsonElement[] readings = Payloads(messages, "reading");
        double errors = 0;
        double unchanged = 0;
        double[] std = [.. EngineFactory.LoadInt8("demo").Manifest.Std];
        foreach (JsonElement forecast in Payloads(messages, "forecast"))
        {
            int seq = forecast.GetProperty("seq").GetInt32();
            if (seq < 64)
            {
                continue;
            }

            int column = 0;
            foreach (JsonProperty channel in forecast.GetProperty("channels").EnumerateObject())
            {
                double[] ahead = Numbers(channel.Value, "value");
                int[] ticks = [1, 10, 25];
                for (int k = 0; k < ticks.Length && seq + ticks[k] <= readings.Length; k++)
                {
                    double came = Reading(seq + ticks[k], channel.Name);
                    errors += Math.Pow((came - ahead[k]) / std[column], 2);
                    unchanged += Math.Pow((came - Reading(seq, channel.Name)) / std[column], 2);
                }

                column++;
            }
        }

        // The running means weigh the newest ticks a little more.
        double skill = Payloads(messages, "health")[^1].GetProperty("skill").GetDouble();
        Assert.InRange(skill, 1 - (errors / unchanged) - 0.1, 1 - (errors / unchanged) + 0.1);
        Assert.InRange(skill, 0.05, 1);

        double Reading(int seq, string channel) =>
            readings[seq - 1].GetProperty("channels").GetProperty(channel).GetProperty("value").GetDouble();
    }

    [Fact]
    public async Task A_stream_that_hangs_in_a_tick_is_no_longer_alive()
    {
        var clock = new FakeTimeProvider();
        var stuck = new TaskCompletionSource();
        int ticks = 0;
        var source = new SimulatedOptions { Seed = 3 };
        IInferenceEngine engine = EngineFactory.LoadInt8("demo");
        using var stream = new StreamLoop(
            "greenhouse", new SensorStream(engine, new StreamOptions { Name = "climate" }),
            new SimulatedSensor(source, new Greenhouse(3), engine.Manifest.Columns, TimeSpan.FromSeconds(0.2), clock), new PublishOptions(),
            TimeSpan.FromDays(7),
            (_, _, _, _, _) => ++ticks > 5 ? new ValueTask(stuck.Task) : ValueTask.CompletedTask,
            clock,
            NullLogger.Instance);
        Assert.True(stream.IsAlive);
        Task running = Task.Run(() => stream.RunAsync(default, default));
        await Eventually.Async(() =>
        {
            clock.Advance(TimeSpan.FromSeconds(0.1));
            return ticks > 5;
        });

        Assert.True(stream.IsAlive);
        clock.Advance(TimeSpan.FromSeconds(16));
        Assert.False(stream.IsAlive);
        stuck.SetException(new InputException("the end"));
        await Assert.ThrowsAsync<InputException>(() => running);
        Assert.True(stream.IsAlive);
    }

    // Everything that carries a number of its own: health and states are said again after a restart.
    private static string[] Bodies(List<MqttMessage> messages) => messages
        .Where(message => message.ContentType is not null && !message.Topic.EndsWith("/health", StringComparison.Ordinal))
        .Select(message => message.Topic + System.Text.Encoding.UTF8.GetString(message.Payload.Span)).ToArray();

    private static StreamLoop Stream(
        double?[][] rows,
        CommitAction commit,
        (long Seq, byte[] Snapshot)? resume = null,
        StreamOptions? options = null)
    {
        var stream = new SensorStream(EngineFactory.LoadInt8("demo"), options ?? new StreamOptions { Name = "climate" });
        var sensor = new ListSensor(rows);
        if (resume is { } from && stream.Resume(from.Seq, from.Snapshot))
        {
            sensor.Resume(stream.Rows, stream.LastTime);
        }

        return new StreamLoop(
            "greenhouse", stream, sensor, new PublishOptions(), TimeSpan.FromDays(7), commit, new FakeTimeProvider(), NullLogger.Instance);
    }

    private static double?[][] Rows(int count)
    {
        var greenhouse = new Greenhouse(3);
        double[] values = new double[4];
        return Enumerable.Range(0, count).Select(_ =>
        {
            greenhouse.Step(values);
            return values.Select(value => (double?)value).ToArray();
        }).ToArray();
    }

    private static async Task<List<MqttMessage>> RunAsync(double?[][] rows, int holdTicks = 5)
    {
        var messages = new List<MqttMessage>();
        using StreamLoop stream = Stream(rows, Collect, options: new StreamOptions { Name = "climate", HoldTicks = holdTicks });
        await stream.RunAsync(default, default);
        return messages;

        ValueTask Collect(
            SensorStream stream, TickRows rows, IReadOnlyList<MqttMessage> tick, bool canWait, CancellationToken cancel)
        {
            messages.AddRange(tick);
            return ValueTask.CompletedTask;
        }
    }

    private static JsonElement[] Payloads(List<MqttMessage> messages, string topic) => messages
        .Where(message => message.Topic == $"edge/greenhouse/climate/{topic}")
        .Select(message => JsonDocument.Parse(message.Payload).RootElement)
        .ToArray();

    private static IEnumerable<int> Seqs(List<MqttMessage> messages, string topic) =>
        Payloads(messages, topic).Select(payload => payload.GetProperty("seq").GetInt32());

    private static double[] Numbers(JsonElement channel, string name) =>
        channel.GetProperty(name).EnumerateArray().Select(item => item.GetDouble()).ToArray();
}
