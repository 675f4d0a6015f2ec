using System.Globalization;
using System.Text.Json;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// A broker that is away from the start, or for 100,000 messages; the latter takes about a minute and runs with EDGE_LONG=1.
/// </summary>
public sealed class OutageTests : IDisposable
{
    private static readonly HttpClient Client = new();

    private const int Messages = 100_000;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [LongFact]
    public async Task What_was_made_while_the_broker_was_away_arrives_in_order_and_memory_stays_flat()
    {
        // A broker's own limit of what it queues for a slow subscriber is not what is tested here.
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nmax_queued_messages 0\n");
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            state: state
            mqtt: { host: 127.0.0.1, port: {{broker.Port}} }
            streams:
              - { name: climate, model: demo, source: { simulated: { seed: 3, speed: 400x } } }
            """);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        await using (Subscriber before = await Subscriber.StartAsync(broker.Port))
        {
            await before.UntilAsync(seen => seen.Count(item => item.Topic == "edge/house/climate/forecast") >= 12_000);
        }

        // By now the heap has its size.
        long memory = run.ResidentBytes;
        await broker.KillAsync();

        // 2,000 ticks a second, two messages each.
        await Task.Delay(TimeSpan.FromSeconds(Messages / 4000.0));
        long memoryAway = run.ResidentBytes;
        await broker.StartAgainAsync();
        await using Subscriber after = await Subscriber.StartAsync(broker.Port, "edge/house/climate/forecast");
        await after.UntilAsync(seen => seen.Count >= Messages / 2, 120);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        long[] seqs = after.All.Select(seen => JsonDocument.Parse(seen.Payload).RootElement.GetProperty("seq").GetInt64()).ToArray();
        Assert.Equal(Enumerable.Range(0, seqs.Length).Select(i => seqs[0] + i), seqs);
        Assert.True(
            memoryAway - memory < 20 << 20,
            string.Create(CultureInfo.InvariantCulture, $"memory grew from {memory} to {memoryAway} bytes"));
    }

    [Fact]
    public async Task A_recording_waits_for_a_broker_that_is_away_from_the_start_and_a_live_stream_ticks_on()
    {
        // Five a second.
        const int Rows = 3000;
        string data = await Delivery.RecordAsync(_folder.Path, Rows / 5);
        Dictionary<string, string> expected = await Delivery.ExpectAsync(_folder.Path, data);
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nmax_queued_messages 0\n");
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "edge/house/climate/#");
        bool isOpen = false;
        await using var proxy = new CuttingProxy(broker.Port, _ => Volatile.Read(ref isOpen) ? int.MaxValue : 1);
        int port = TestBroker.FreePort();
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            state: state
            mqtt: { host: 127.0.0.1, port: {{proxy.Port}} }
            telemetry: { listen: 127.0.0.1:{{port}} }
            streams:
              - { name: climate, model: demo, source: { replay: { file: {{data}}, speed: max } } }
              - { name: live, model: demo, source: { simulated: { seed: 3, speed: 50x } } }
            """);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        string metrics = "";
        await Eventually.Async(
            async () =>
            {
                metrics = await MetricsAsync(port);
                return Sample(metrics, "edge_stream_ticks_total", "live") >= 1000
                    && Sample(metrics, "edge_stream_ticks_total", "climate") > 0;
            },
            "the live stream ticks without a broker");

        // About 1,000 messages ahead of the broker, in batches of up to 64 rows.
        Assert.InRange(Sample(metrics, "edge_stream_ticks_total", "climate"), 1, 600);
        Assert.Equal(1, Sample(metrics, "edge_stream_alive", "climate"));
        Volatile.Write(ref isOpen, true);
        await Eventually.Async(
            async () => Sample(metrics = await MetricsAsync(port), "edge_stream_ticks_total", "climate") == Rows,
            "the recording goes on when the broker is there");
        Assert.DoesNotContain(
            metrics.Split('\n'),
            line => line.StartsWith("edge_outbox_dropped_total{", StringComparison.Ordinal) && line[^2..] != " 0");
        string last = expected.Keys.Last(key => key.StartsWith("forecast", StringComparison.Ordinal));
        await subscriber.UntilAsync(seen => seen.Any(item => item.Payload == expected[last]));
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        Delivery.AssertSame(expected, subscriber);
    }

    // Nothing until the service listens.
    private static async Task<string> MetricsAsync(int port)
    {
        try
        {
            return await Client.GetStringAsync($"http://127.0.0.1:{port}/metrics");
        }
        catch (HttpRequestException)
        {
            return "";
        }
    }

    private static double Sample(string metrics, string name, string stream) =>
        metrics.Split('\n').FirstOrDefault(line => line.StartsWith($"{name}{{", StringComparison.Ordinal)
            && line.Contains($"stream=\"{stream}\"", StringComparison.Ordinal)) is { } found
            ? double.Parse(found.Split(' ')[^1], CultureInfo.InvariantCulture)
            : 0;
}
