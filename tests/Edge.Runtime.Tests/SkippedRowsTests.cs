using System.Text;
using System.Text.Json;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Sensors.Simulated;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>A stream whose rows are all left out says so in health, counts them, and is not alive; one that is only quiet is.</summary>
public sealed class SkippedRowsTests : IDisposable
{
    private const string Topic = "plant/rows";

    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly MqttSubscriber _input;
    private readonly List<string> _health = [];

    public SkippedRowsTests() =>
        _input = new MqttSubscriber(() => throw new MqttLinkException("no broker here."), _clock, NullLogger.Instance);

    public void Dispose() => _input.Dispose();

    [Fact]
    public async Task A_stream_that_skips_every_row_is_not_alive_and_says_why_and_one_good_row_makes_it_alive()
    {
        using StreamLoop loop = Open();
        using var stop = new CancellationTokenSource();
        Task running = Task.Run(() => loop.RunAsync(stop.Token, stop.Token));

        // Nothing comes: the plant decides how often rows come.
        await Eventually.Async(
            async () =>
            {
                await _input.DispatchAsync(Message("21.5 °C"));
                return loop.SkippedRows > 0;
            },
            "it reads");
        Assert.Equal(1, loop.SkippedRows);
        Assert.True(loop.IsAlive);
        JsonElement health = await NextHealthAsync();
        Assert.Equal(("missing", "2026-01-01"), Shown(health));
        Assert.Equal(1, health.GetProperty("skipped_rows").GetInt64());
        Assert.Contains("'21.5 °C'", health.GetProperty("last_skipped").GetString(), StringComparison.Ordinal);
        Assert.Contains("JSON: '21.5 °C'", _health[0], StringComparison.Ordinal);
        Assert.Equal(0, health.GetProperty("ticks").GetInt64());
        _clock.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal((false, true), (loop.IsAlive, loop.IsTicking));

        Assert.True(await _input.DispatchAsync(Message("""{"temperature":21,"humidity":60,"light":10,"co2":420}""")));
        await Eventually.Async(() => loop.IsAlive);
        _clock.Advance(TimeSpan.FromHours(72));
        Assert.True(loop.IsAlive);

        // The next health is of the row that was used, not of one that never was.
        await _input.DispatchAsync(Message("22 °C"));
        Assert.Equal(("good", "2026-01-01"), Shown(await NextHealthAsync()));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    private async Task<JsonElement> NextHealthAsync()
    {
        int before;
        lock (_health)
        {
            before = _health.Count;
        }

        await Eventually.Async(() =>
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            lock (_health)
            {
                return _health.Count > before;
            }
        });
        lock (_health)
        {
            return JsonDocument.Parse(_health[^1]).RootElement;
        }
    }

    // What it says of a sensor, and the day of its row.
    private static (string? Quality, string Day) Shown(JsonElement health) => (
        health.GetProperty("sensors").GetProperty("temperature").GetProperty("quality").GetString(),
        health.GetProperty("time").GetString()![..10]);

    private static MqttReceived Message(string payload) => new(Topic, Encoding.UTF8.GetBytes(payload), false);

    private StreamLoop Open()
    {
        var config = new StreamConfig { Name = "climate", Model = "demo", Source = new SimulatedOptions() };
        var stream = new SensorStream(EngineFactory.LoadInt8("demo"), config);
        var sensor = new MqttRowSensor(
            new MqttRowOptions { Topic = Topic, Stream = "climate" },
            stream.Manifest.Columns,
            stream.Period,
            _clock,
            new SystemClock(() => TimeSpan.Zero, () => true),
            () => _input,
            NullLogger.Instance);
        return new StreamLoop("house", stream, sensor, config.Publish, TimeSpan.FromDays(1), Commit, _clock, NullLogger.Instance);
    }

    private ValueTask Commit(
        SensorStream stream, TickRows rows, IReadOnlyList<MqttMessage> messages, bool canWait, CancellationToken cancel)
    {
        lock (_health)
        {
            _health.AddRange(
                messages.Where(message => message.Topic.EndsWith("/health", StringComparison.Ordinal))
                    .Select(message => Encoding.UTF8.GetString(message.Payload.Span)));
        }

        return ValueTask.CompletedTask;
    }
}
