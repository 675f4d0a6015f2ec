using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// Connections cut with packets half sent. EDGE_CUTS=10 is the long run: after three short connections the service waits longer each time.
/// </summary>
public sealed class BadNetworkTests : IDisposable
{
    private static readonly int Cuts = int.TryParse(Environment.GetEnvironmentVariable("EDGE_CUTS"), out int cuts) ? cuts : 5;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Versions => MqttLinkContractTests.Versions;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Cut_in_the_middle_of_a_packet_nothing_is_missing_and_nothing_differs(string version)
    {
        string data = await Delivery.RecordAsync(_folder.Path, 60 + (30 * Cuts));
        Dictionary<string, string> expected = await Delivery.ExpectAsync(_folder.Path, data);
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nmax_queued_messages 0\n");
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        var random = new Random(11);
        await using var proxy = new CuttingProxy(broker.Port, connection => connection < Cuts ? random.Next(500, 60_000) : int.MaxValue);
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            state: state
            mqtt: { host: 127.0.0.1, port: {{proxy.Port}}, version: {{version}} }
            streams:
              - { name: climate, model: demo, source: { replay: { file: {{data}}, speed: max } } }
            """);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        Assert.Equal(0, await run.ExitAsync(120 + (45 * Cuts)));
        await subscriber.UntilAsync(seen => seen.LastOrDefault(item => item.Topic == "edge/house/status")?.Payload == "offline");
        Assert.Equal(Cuts, proxy.Cuts);
        Delivery.AssertSame(expected, subscriber);
    }
}
