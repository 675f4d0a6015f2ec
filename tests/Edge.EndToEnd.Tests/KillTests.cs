using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// The service killed at random instants, again and again: a subscriber has at the end what an unkilled run would have sent. EDGE_KILLS=300 is the long run.
/// </summary>
[Collection("services")]
public sealed class KillTests : IDisposable
{
    private static readonly int Kills = int.TryParse(Environment.GetEnvironmentVariable("EDGE_KILLS"), out int kills) ? kills : 12;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Links => MqttLinkContractTests.Links;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Links))]
    public async Task Killed_at_any_instant_nothing_is_missing_and_nothing_differs(string library)
    {
        string data = await Delivery.RecordAsync(_folder.Path, 80 * Kills);
        Dictionary<string, string> expected = await Delivery.ExpectAsync(_folder.Path, data);

        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            state: state
            mqtt: { host: 127.0.0.1, port: {{broker.Port}}, client: {{library.ToLowerInvariant()}} }
            streams:
              - { name: climate, model: demo, source: { replay: { file: {{data}}, speed: 150x } } }
            """);
        var random = new Random(7);
        int killed = 0;
        for (int code = -1; code != 0;)
        {
            using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
            Task<int> exit = run.ExitAsync(60 + Kills);
            if (killed < Kills)
            {
                await Task.WhenAny(exit, Task.Delay(random.Next(150, 900)));
            }
            else
            {
                await exit;
            }

            if (exit.IsCompleted)
            {
                code = await exit;
                Assert.Equal(0, code);
            }
            else
            {
                killed++;
                run.Kill();
            }
        }

        await subscriber.UntilAsync(seen => seen.LastOrDefault(item => item.Topic == "edge/house/status")?.Payload == "offline");
        Assert.Equal(Kills, killed);
        Delivery.AssertSame(expected, subscriber);
    }
}
