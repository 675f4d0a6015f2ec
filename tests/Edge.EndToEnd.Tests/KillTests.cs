using System.Text.Json;
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
        string data = await RecordAsync();
        using RuntimeProcess replay = RuntimeProcess.Start(
            "replay", "--model", "demo", "--data", data, "--output", _folder.File("expected.jsonl"), "--device", "house", "--stream", "climate");
        Assert.Equal(0, await replay.ExitAsync());
        Dictionary<string, string> expected = File.ReadLines(_folder.File("expected.jsonl")).Select(line => (Key: Key(line), line)).Where(entry => entry.Key is not null)
            .ToDictionary(entry => entry.Key!, entry => entry.line);

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
        var seen = new Dictionary<string, string>();
        foreach (Seen message in subscriber.On("edge/house/climate/reading").Concat(subscriber.On("edge/house/climate/forecast")).Concat(subscriber.On("edge/house/climate/anomaly")))
        {
            string key = Key(message.Payload)!;
            Assert.Equal(seen.GetValueOrDefault(key, message.Payload), message.Payload);
            seen[key] = message.Payload;
        }

        Assert.Empty(expected.Keys.Except(seen.Keys));
        Assert.Empty(seen.Keys.Except(expected.Keys));
        Assert.All(seen, entry => Assert.Equal(expected[entry.Key], entry.Value));
    }

    private async Task<string> RecordAsync()
    {
        string config = _folder.Write("record.yaml", """
            device: house
            mqtt: { host: 127.0.0.1 }
            streams:
              - { name: climate, model: demo, source: { simulated: { seed: 5, speed: max, faults: [ { at: 40s, duration: 4s, kind: bias, channel: temperature } ] } } }
            """);
        using RuntimeProcess record = RuntimeProcess.Start("record", "--config", config, "--output", _folder.File("x.csv"), "--for", $"{80 * Kills}s");
        Assert.Equal(0, await record.ExitAsync());
        return _folder.File("x.csv");
    }

    // Kind and number: what a subscriber tells messages apart by. Health has no number of its own.
    private static string? Key(string payload)
    {
        JsonElement root = JsonDocument.Parse(payload).RootElement;
        string kind = root.TryGetProperty("horizon_seconds", out _) ? "forecast" : root.TryGetProperty("event", out JsonElement change) ? $"anomaly {change.GetString()}"
            : root.TryGetProperty("channels", out _) ? "reading" : "";
        return kind.Length == 0 ? null : $"{kind} {root.GetProperty("seq").GetInt64()}";
    }
}
