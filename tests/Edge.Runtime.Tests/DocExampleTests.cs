using System.Security.Cryptography;
using System.Text.Json;
using Edge.Runtime.Commands;
using Edge.Runtime.Configuration;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Sensors.Simulated;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Streams.Engines;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>The examples of docs/mqtt.md are what the demo publishes.</summary>
public sealed class DocExampleTests
{
    private const string File = "docs/mqtt.md";

    // An example may leave out channels and outputs, whose names are no part of the format.
    private static readonly string[] Lists = ["channels", "sensors", "rmse"];

    // Tick 103 is of 10:01:28.842.
    private static readonly DateTimeOffset Start = new(2026, 11, 21, 10, 1, 8, 442, TimeSpan.Zero);

    [Fact]
    public async Task Every_example_of_the_demo_is_a_message_that_it_publishes()
    {
        JsonElement[] examples =
        [
            .. MarkdownFile.All.Single(file => file.Name == File).Blocks.Where(block => block.Info == "json")
                .Select(block => JsonDocument.Parse(block.Text).RootElement)
                .Where(example => example.GetProperty("device").GetString() == DemoScenario.Device && example.TryGetProperty("seq", out _)),
        ];
        (string Topic, JsonElement Payload)[] published = await DemoAsync(examples.Max(example => example.GetProperty("seq").GetInt64()));
        var problems = new List<string>();
        foreach (JsonElement example in examples)
        {
            JsonElement message = published
                .Where(each => each.Payload.GetProperty("seq").GetInt64() == example.GetProperty("seq").GetInt64())
                .Select(each => each.Payload)
                .MaxBy(payload => payload.EnumerateObject().Count(member => example.TryGetProperty(member.Name, out _)));
            problems.AddRange(Differences("", example, message).Select(what => $"{what}\n  the demo: {message}"));
        }

        Assert.Equal(5, examples.Length);
        MarkdownFile.Holds(problems);
    }

    [Fact]
    public void The_model_of_the_examples_is_that_of_the_demo()
    {
        byte[] model = System.IO.File.ReadAllBytes(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));
        string hash = Convert.ToHexStringLower(SHA256.HashData(model));
        JsonElement stream = MarkdownFile.All.Single(file => file.Name == File).Blocks
            .Where(block => block.Text.Contains("\"model_name\":\"greenhouse\"", StringComparison.Ordinal))
            .Select(block => JsonDocument.Parse(block.Text).RootElement.GetProperty("streams").GetProperty(DemoScenario.Stream))
            .Single();
        Assert.Equal((hash[..6], hash), (stream.GetProperty("model").GetString(), stream.GetProperty("model_sha256").GetString()));
    }

    private static async Task<(string Topic, JsonElement Payload)[]> DemoAsync(long ticks)
    {
        StreamConfig config = DemoScenario.Configure(port: 1, pagePort: 1, seed: 7).Streams[0];
        config = config with { Publish = config.Publish with { Scores = true } };
        var clock = new FakeTimeProvider(Start);
        IInferenceEngine engine = EngineFactory.LoadInt8("demo");
        var stream = new SensorStream(engine, config);
        SimulatedOptions source = (SimulatedOptions)config.Source with { Speed = PlaybackSpeed.Max };
        var sensor = new SimulatedSensor(
            source, SimulatedPlant.Create(source, engine.Manifest, stream.Period), engine.Manifest.Columns, stream.Period, clock);
        var published = new List<(string Topic, JsonElement Payload)>();
        using var stop = new CancellationTokenSource();
        using var loop = new StreamLoop(
            DemoScenario.Device, stream, sensor, config.Publish, TimeSpan.FromDays(1), Commit, clock, NullLogger.Instance);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => loop.RunAsync(stop.Token, stop.Token));
        return [.. published];

        ValueTask Commit(
            SensorStream committed, Delivery.TickRows rows, IReadOnlyList<MqttMessage> messages, bool canWait, CancellationToken cancel)
        {
            published.AddRange(messages
                .Where(message => message.Payload.Span is [(byte)'{', ..])
                .Select(message => (message.Topic, JsonDocument.Parse(message.Payload).RootElement))
                .Where(message => message.RootElement.TryGetProperty("seq", out _)));
            if (committed.Seq > ticks)
            {
                stop.Cancel();
            }

            return ValueTask.CompletedTask;
        }
    }

    private static IEnumerable<string> Differences(string path, JsonElement example, JsonElement message)
    {
        if (example.ValueKind != JsonValueKind.Object || message.ValueKind != JsonValueKind.Object)
        {
            return example.GetRawText() == message.GetRawText() ? [] : [$"{path} is {example.GetRawText()}"];
        }

        string[] missing =
        [
            .. message.EnumerateObject().Select(member => member.Name).Where(name => !example.TryGetProperty(name, out _)),
        ];
        return
        [
            .. Lists.Contains(path.Split('/')[^1]) ? [] : missing.Select(name => $"{path}/{name} is missing"),
            .. example.EnumerateObject().SelectMany(member => message.TryGetProperty(member.Name, out JsonElement actual)
                ? Differences($"{path}/{member.Name}", member.Value, actual)
                : [$"{path}/{member.Name} is in no such message"]),
        ];
    }
}
