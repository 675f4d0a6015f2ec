using System.Text;
using Edge.Inference;
using Edge.Runtime.Control;
using Edge.Runtime.Mqtt;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>Requests as they come from whoever can publish.</summary>
public sealed class CommandTests
{
    private const int Hostile = 100_000;

    private static readonly string[] Streams = ["climate", "rig"];

    [Theory]
    [InlineData(CommandName.Reset, """{"stream":"rig"}""")]
    [InlineData(CommandName.Snapshot, "")]
    [InlineData(CommandName.Snapshot, "{}")]
    [InlineData(CommandName.Reload, "{}")]
    [InlineData(CommandName.Silence, """{"stream":"rig","for":"2h"}""")]
    [InlineData(CommandName.Sensitivity, """{"stream":"rig","value":"low"}""")]
    [InlineData(CommandName.Sensitivity, """{"stream":"rig","value":0.5}""")]
    [InlineData(CommandName.Label, """{"stream":"rig","from":"2026-05-01T06:00:00Z","to":"2026-05-01T07:00:00+02:00","text":"a fault"}""")]
    internal void A_request_that_names_what_is_there_is_taken(CommandName name, string payload) =>
        Assert.Equal(name, CommandRequest.Parse(name, Encoding.UTF8.GetBytes(payload), Streams).Name);

    [Theory]
    [InlineData(CommandName.Reset, "", "takes the keys stream")]
    [InlineData(CommandName.Reset, "{}", "takes the keys stream")]
    [InlineData(CommandName.Reset, "[]", "not a JSON object")]
    [InlineData(CommandName.Reset, "null", "not a JSON object")]
    [InlineData(CommandName.Reset, "{\"stream\":\"rig\"", "not JSON")]
    [InlineData(CommandName.Reset, """{"stream":"nobody"}""", "no such stream")]
    [InlineData(CommandName.Reset, """{"stream":7}""", "no such stream")]
    [InlineData(CommandName.Reset, """{"stream":"rig","stream":"climate"}""", "each once")]
    [InlineData(CommandName.Reset, """{"stream":"rig","force":true}""", "and no other")]
    [InlineData(CommandName.Snapshot, """{"stream":"rig"}""", "takes no keys")]
    [InlineData(CommandName.Silence, """{"stream":"rig","for":"8d"}""", "at most 7d")]
    [InlineData(CommandName.Silence, """{"stream":"rig","for":"-1s"}""", "'for' must be a time")]
    [InlineData(CommandName.Silence, """{"stream":"rig","for":1e9}""", "'for' must be a time")]
    [InlineData(CommandName.Sensitivity, """{"stream":"rig","value":-1}""", "'value' must be")]
    [InlineData(CommandName.Label, """{"stream":"rig","from":"today","to":"2026-05-01","text":"x"}""", "'from' must be a time")]
    [InlineData(CommandName.Label, """{"stream":"rig","from":"2026-05-01","to":7,"text":"x"}""", "'to' must be a time")]
    [InlineData(CommandName.Label, """{"stream":"rig","from":"2026-05-01","text":"x"}""", "takes the keys stream and from and to")]
    [InlineData(CommandName.Sensitivity, """{"stream":"rig","value":"NaN"}""", "'value' must be")]
    [InlineData(CommandName.Sensitivity, """{"stream":"rig","value":{"a":{"b":{"c":{"d":1}}}}}""", "not JSON")]
    internal void Anything_else_is_one_sentence(CommandName name, string payload, string part) =>
        Assert.Contains(
            part,
            Assert.Throws<InputException>(() => CommandRequest.Parse(name, Encoding.UTF8.GetBytes(payload), Streams)).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("stream", "7", "'stream' must be the name of a stream, not 7.")]
    [InlineData("stream", "\"attic\"", "There is no such stream. Streams: climate, rig.")]
    [InlineData("sha256", "\"AB\"", "'sha256' must be the SHA-256 of the whole file, 64 lower-case hexadecimal digits, not \"AB\".")]
    [InlineData("sha256", "null", "'sha256' must be the SHA-256 of the whole file, 64 lower-case hexadecimal digits, not null.")]
    [InlineData("parts", "\"2\"", "'parts' must be a whole number from 1 to 256, not \"2\".")]
    [InlineData("parts", "257", "'parts' must be a whole number from 1 to 256, not 257.")]
    [InlineData("part", "1.5", "'part' must be a whole number from 1 to 'parts', which is 2, not 1.5.")]
    [InlineData("part", "3", "'part' must be a whole number from 1 to 'parts', which is 2, not 3.")]
    [InlineData("data", "[1,2]", "'data' must be the bytes of the part in base64, not [1,2].")]
    [InlineData("data", "\"#\"", "'data' must be the bytes of the part in base64, not \"#\".")]
    [InlineData("signature", "true", "'signature' must be the content of MODEL.sig, not true.")]
    [InlineData("type", "1", "each once, and may have signature: 'type' is not one of them.")]
    [InlineData("data", null, "each once, and may have signature: 'data' is missing.")]
    public void A_wrong_part_of_a_model_is_one_sentence_that_names_its_key(string key, string? value, string sentence)
    {
        var part = new Dictionary<string, string>
        {
            ["stream"] = "\"rig\"",
            ["sha256"] = $"\"{new string('a', 64)}\"",
            ["part"] = "1",
            ["parts"] = "2",
            ["data"] = "\"AAAA\"",
        };
        Assert.Equal([0, 0, 0], Parse().Data);
        part[key] = value ?? "";
        if (value is null)
        {
            part.Remove(key);
        }

        Assert.EndsWith(sentence, Assert.Throws<InputException>(Parse).Message, StringComparison.Ordinal);

        ModelPart Parse() => ModelPart.Parse(
            Encoding.UTF8.GetBytes($"{{{string.Join(',', part.Select(each => $"\"{each.Key}\":{each.Value}"))}}}"), Streams);
    }

    [Fact]
    public void A_hundred_thousand_hostile_payloads_are_refused_or_harmless()
    {
        var random = new Random(20261121);
        byte[][] seeds =
        [
            .. new[]
            {
                """{"stream":"rig","for":"2h"}""",
                """{"stream":"climate","value":"high"}""",
                "{}",
                "[[[[[[[[[[",
                new string('{', 4000),
                "\"" + new string('\\', 3000),
                "{\"stream\":\"" + new string('x', 3900) + "\"}",
                "1e999999",
                "\u0000",
                """{"stream":"rig","value":1e308}""",
            }.Select(Encoding.UTF8.GetBytes),
            new byte[5000],
        ];
        TimeSpan started = ThreadTime.Now;
        int taken = 0;
        for (int i = 0; i < Hostile; i++)
        {
            byte[] payload = [.. seeds[random.Next(seeds.Length)]];
            for (int times = random.Next(4); times > 0 && payload.Length > 0; times--)
            {
                payload[random.Next(payload.Length)] = (byte)random.Next(256);
            }

            foreach (CommandName name in Enum.GetValues<CommandName>())
            {
                try
                {
                    CommandRequest request = CommandRequest.Parse(name, payload, Streams);
                    Assert.True(request.Stream.Length == 0 || Streams.Contains(request.Stream));
                    Assert.InRange(request.Time, TimeSpan.Zero, TimeSpan.FromDays(7));
                    Assert.InRange(request.FalseAlarmsAWeek, 0, 10_000);
                    taken++;
                }
                catch (InputException e)
                {
                    Assert.InRange(e.Message.Length, 10, 300);
                }
            }
        }

        Assert.InRange(taken, 1, Hostile * 5);
        Assert.InRange((ThreadTime.Now - started).TotalSeconds, 0, 120);
    }

    [Fact]
    public async Task A_flood_is_dropped_unread_and_what_comes_after_it_is_taken()
    {
        var clock = new FakeTimeProvider();
        var done = new List<CommandRequest>();
        var answers = new List<MqttMessage>();
        using var channel = new CommandChannel("house", [CommandName.Reset], Streams, request =>
        {
            done.Add(request);
            return Task.FromResult(new CommandResult("done."));
        }, answers.Add, clock, NullLogger.Instance);
        byte[] payload = """{"stream":"rig"}"""u8.ToArray();
        for (int i = 0; i < Hostile; i++)
        {
            channel.Take(CommandName.Reset, new MqttReceived("t", payload, Retain: false));
        }

        // What was let in is worked off beside: until then it may be in the way of what comes.
        await Eventually.Async(() => done.Count + channel.Refused == Hostile);
        clock.Advance(TimeSpan.FromSeconds(1));
        channel.Take(CommandName.Reset, new MqttReceived("t", payload, Retain: false, "mine", new byte[] { 1, 2 }));
        channel.Dispose();
        await channel.Working;
        Assert.InRange(done.Count, 2, 21);
        Assert.Equal(Hostile + 1 - done.Count, channel.Refused);
        Assert.Equal(done.Count, answers.Count);
        Assert.Equal("mine", answers[^1].Topic);
        Assert.Equal([1, 2], answers[^1].CorrelationData.ToArray());
        Assert.False(answers[^1].Retain);
    }

    [Theory]
    [InlineData("edge/house/status")]
    [InlineData("edge/other/command/reset")]
    [InlineData("homeassistant/device/x/config")]
    [InlineData("$SYS/broker")]
    [InlineData("a/+/b")]
    [InlineData("#")]
    [InlineData("")]
    [InlineData(null)]
    public async Task An_answer_goes_to_no_place_that_means_something_else(string? wanted)
    {
        var answers = new List<MqttMessage>();
        using var channel = new CommandChannel(
            "house",
            [CommandName.Reset],
            Streams,
            _ => throw new InvalidOperationException("a bug"),
            answers.Add,
            new FakeTimeProvider(),
            NullLogger.Instance);
        channel.Take(CommandName.Reset, new MqttReceived("t", """{"stream":"rig"}"""u8.ToArray(), Retain: false, wanted));
        channel.Take(CommandName.Reset, new MqttReceived("t", """{"stream":"rig"}"""u8.ToArray(), Retain: true));
        channel.Dispose();
        await channel.Working;
        MqttMessage answer = Assert.Single(answers);
        Assert.Equal("edge/house/command/reset/response", answer.Topic);
        Assert.Contains("\"ok\":false", Encoding.UTF8.GetString(answer.Payload.Span), StringComparison.Ordinal);
    }
}
