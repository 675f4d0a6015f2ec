using System.Diagnostics;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A broker killed again and again while messages are on their way. EDGE_KILLS=50 is the long run.</summary>
public sealed class BrokerDeathTests : IDisposable
{
    private static readonly int Kills = int.TryParse(Environment.GetEnvironmentVariable("EDGE_KILLS"), out int kills) ? kills : 4;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Versions => MqttLinkContractTests.Versions;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_broker_killed_with_messages_on_their_way_costs_none_and_their_order_stays(string version)
    {
        string data = await Delivery.RecordAsync(_folder.Path, 100 + (60 * Kills));
        Dictionary<string, string> expected = await Delivery.ExpectAsync(_folder.Path, data);

        // A broker keeps nothing over its death: who listens must be back before the service is let through to it, and nothing that it
        // acknowledged may wait in it for who listens.
        await using TestBroker broker = await TestBroker.StartAsync(
            "allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n");
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        bool isOpen = true;
        await using var proxy = new CuttingProxy(broker.Port, _ => Volatile.Read(ref isOpen) ? int.MaxValue : 1);
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            state: state
            mqtt: { host: 127.0.0.1, port: {{proxy.Port}}, version: {{version}} }
            streams:
              - { name: climate, model: demo, source: { replay: { file: {{data}}, speed: 60x } } }
            """);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        Task<int> exit = run.ExitAsync(120 + (10 * Kills));
        var random = new Random(5);
        for (int kill = 0; kill < Kills && !exit.IsCompleted; kill++)
        {
            await Task.Delay(random.Next(300, 900));

            // What the service knows to be delivered must be with who listens: dying, the broker takes along what it has not passed on.
            proxy.SwallowsAnswers = true;
            await PassOnAsync(broker, subscriber, $"kill {kill}");
            int subscriptions = subscriber.Subscriptions;
            Volatile.Write(ref isOpen, false);
            await broker.KillAsync();
            await broker.StartAgainAsync();
            await Eventually.Async(() => subscriber.Subscriptions > subscriptions);
            proxy.SwallowsAnswers = false;
            Volatile.Write(ref isOpen, true);
        }

        Assert.Equal(0, await exit);
        await subscriber.UntilAsync(seen => seen.LastOrDefault(item => item.Topic == "edge/house/status")?.Payload == "offline");
        Delivery.AssertSame(expected, subscriber);

        // In order, but for what was sent again after a death.
        long[] first = [.. subscriber.On("edge/house/climate/forecast").Select(item => item.Payload).Distinct().Select(Delivery.Seq)];
        Assert.Equal(first.Order(), first);
    }

    // A broker passes messages on in their order: with the last one all are there that it had before.
    private static async Task PassOnAsync(TestBroker broker, Subscriber subscriber, string last)
    {
        using Process publisher = Process.Start(
            "mosquitto_pub",
            ["-h", "127.0.0.1", "-p", $"{broker.Port}", "-q", "1", "-t", "edge/last", "-m", last]);
        await publisher.WaitForExitAsync();
        await subscriber.UntilAsync(seen => seen.Any(item => item.Payload == last));
    }
}
