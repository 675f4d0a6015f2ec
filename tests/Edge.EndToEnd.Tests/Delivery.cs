using System.Text.Json;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// What a subscriber must have collected from a replayed stream 'climate' of device 'house': what edge-runtime replay writes.
/// </summary>
internal static class Delivery
{
    /// <summary>Records so many seconds of the greenhouse, with a fault, as fast as it goes.</summary>
    internal static async Task<string> RecordAsync(string folder, int seconds)
    {
        string config = Path.Combine(folder, "record.yaml");
        await File.WriteAllTextAsync(config, """
            device: house
            mqtt: { host: 127.0.0.1 }
            streams:
              - name: climate
                model: demo
                source:
                  simulated:
                    seed: 5
                    speed: max
                    faults: [ { at: 40s, duration: 4s, kind: bias, channel: temperature } ]
            """);
        string data = Path.Combine(folder, "x.csv");
        using RuntimeProcess record = RuntimeProcess.Start("record", "--config", config, "--output", data, "--for", $"{seconds}s");
        Assert.Equal(0, await record.ExitAsync());
        return data;
    }

    /// <summary>Replays it unbroken.</summary>
    internal static async Task<Dictionary<string, string>> ExpectAsync(string folder, string data)
    {
        string output = Path.Combine(folder, "expected.jsonl");
        using RuntimeProcess replay = RuntimeProcess.Start(
            "replay", "--model", "demo", "--data", data, "--output", output, "--device", "house", "--stream", "climate");
        Assert.Equal(0, await replay.ExitAsync());
        return File.ReadLines(output)
            .Select(line => (Key: Key(line), line))
            .Where(entry => entry.Key is not null)
            .ToDictionary(entry => entry.Key!, entry => entry.line);
    }

    /// <summary>Nothing missing, nothing else, nothing different, and what came twice came the same.</summary>
    internal static void AssertSame(Dictionary<string, string> expected, Subscriber subscriber)
    {
        var seen = new Dictionary<string, string>();
        IEnumerable<Seen> messages = subscriber.On("edge/house/climate/reading")
            .Concat(subscriber.On("edge/house/climate/forecast"))
            .Concat(subscriber.On("edge/house/climate/anomaly"));
        foreach (Seen message in messages)
        {
            string key = Key(message.Payload)!;
            Assert.Equal(seen.GetValueOrDefault(key, message.Payload), message.Payload);
            seen[key] = message.Payload;
        }

        Assert.Empty(expected.Keys.Except(seen.Keys));
        Assert.Empty(seen.Keys.Except(expected.Keys));
        Assert.All(seen, entry => Assert.Equal(expected[entry.Key], entry.Value));
    }

    internal static long Seq(string payload) => JsonDocument.Parse(payload).RootElement.GetProperty("seq").GetInt64();

    // Kind and number: what a subscriber tells messages apart by. Health has no number of its own.
    private static string? Key(string payload)
    {
        JsonElement root = JsonDocument.Parse(payload).RootElement;
        string kind = root.TryGetProperty("horizon_seconds", out _) ? "forecast" : root.TryGetProperty(
            "event",
            out JsonElement change) ? $"anomaly {change.GetString()}"
            : root.TryGetProperty("channels", out _) ? "reading" : "";
        return kind.Length == 0 ? null : $"{kind} {root.GetProperty("seq").GetInt64()}";
    }
}
