using System.Globalization;
using System.Text.Json;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A broker away while 100,000 messages are made; about a minute, run with EDGE_LONG=1.</summary>
public sealed class OutageTests : IDisposable
{
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
}
