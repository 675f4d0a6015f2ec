using System.Net;
using System.Net.Sockets;
using System.Text;
using Edge.Runtime.Mqtt;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>What the MQTT link promises, over MQTT 5 and 3.1.1, against a real mosquitto.</summary>
public sealed partial class MqttLinkContractTests
{
    /// <summary>The versions of MQTT, as edge.yaml has them.</summary>
    public static TheoryData<string> Versions => ["5", "3.1.1"];

    [Fact]
    public async Task A_published_message_arrives_whole()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "t/#");
        await using IMqttLink link = await ConnectAsync("5", broker.Port);
        await link.PublishAsync(Message("t/one", "grün ✓") with
        {
            ContentType = "application/json",
            ExpirySeconds = 3600,
            Seq = 7,
            Model = "3f9a1c",
        });
        await subscriber.UntilAsync(seen => seen.Count == 1);
        Seen message = subscriber.All[0];
        Assert.Equal(("t/one", "grün ✓", 1), (message.Topic, message.Payload, message.QualityOfService));
        Assert.Equal("application/json", message.Properties.GetProperty("content-type").GetString());
        Assert.InRange(message.Properties.GetProperty("message-expiry-interval").GetInt32(), 3590, 3600);
        string properties = message.Properties.GetProperty("user-properties").GetRawText();
        Assert.Contains("\"seq\"", properties, StringComparison.Ordinal);
        Assert.Contains("3f9a1c", properties, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Over_MQTT_3_1_1_a_message_arrives_without_what_only_5_has()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "t/#");
        await using IMqttLink link = await ConnectAsync("3.1.1", broker.Port);
        await link.PublishAsync(
            Message("t/one", "grün ✓") with
            {
                Retain = true,
                ContentType = "application/json",
                ExpirySeconds = 3600,
                CorrelationData = new byte[] { 1 },
                Seq = 7,
            });
        await subscriber.UntilAsync(seen => seen.Count == 1);
        Seen message = subscriber.All[0];
        Assert.Equal(("t/one", "grün ✓", 1), (message.Topic, message.Payload, message.QualityOfService));
        Assert.Equal(System.Text.Json.JsonValueKind.Undefined, message.Properties.ValueKind);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Five_thousand_messages_arrive_in_order_and_all_are_acknowledged(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "t/#");
        await using IMqttLink link = await ConnectAsync(version, broker.Port);
        var inFlight = new Queue<Task>();
        for (int i = 0; i < 5000; i++)
        {
            inFlight.Enqueue(link.PublishAsync(Message("t/many", $"{i}") with { QualityOfService = i % 2 }));
            if (inFlight.Count >= Math.Min(20, link.ReceiveMaximum))
            {
                await inFlight.Dequeue().WaitAsync(Eventually.Bound);
            }
        }

        await Task.WhenAll(inFlight).WaitAsync(Eventually.Bound);
        await subscriber.UntilAsync(seen => seen.Count == 5000);

        // MQTT orders messages of one quality of service, not those of two.
        Assert.Equal(
            Enumerable.Range(0, 2500).Select(i => $"{2 * i}"),
            subscriber.All.Where(seen => seen.QualityOfService == 0).Select(seen => seen.Payload));
        Assert.Equal(
            Enumerable.Range(0, 2500).Select(i => $"{(2 * i) + 1}"),
            subscriber.All.Where(seen => seen.QualityOfService == 1).Select(seen => seen.Payload));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_subscription_receives(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink publisher = await ConnectAsync(version, broker.Port, "publisher");
        await publisher.PublishAsync(Message("t/kept", "kept") with { Retain = true });
        await using IMqttLink link = await ConnectAsync(version, broker.Port, "receiver");
        var received = new List<(string, string, bool)>();
        var both = new TaskCompletionSource();
        link.Received = message =>
        {
            received.Add((message.Topic, Encoding.UTF8.GetString(message.Payload.Span), message.Retain));
            if (received.Count == 2)
            {
                both.TrySetResult();
            }

            return new ValueTask<bool>(true);
        };
        await link.SubscribeAsync("t/+", default);
        await publisher.PublishAsync(Message("t/new", ""));
        await both.Task.WaitAsync(Eventually.Bound);
        Assert.Equal([("t/kept", "kept", true), ("t/new", "", false)], received);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task In_a_session_nothing_is_missed_and_what_was_not_taken_comes_again(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink publisher = await ConnectAsync(version, broker.Port, "publisher");
        var received = new List<string>();
        await using (IMqttLink first = Create(version, broker.Port, InSession, "receiver"))
        {
            first.Received = message => new ValueTask<bool>(Take(message, until: "2"));
            await first.ConnectAsync(default);
            await first.SubscribeAsync("t", default);
            for (int i = 1; i <= 5; i++)
            {
                await publisher.PublishAsync(Message("t", $"{i}"));
            }

            Assert.Equal("A message was not accepted.", await first.Closed.WaitAsync(Eventually.Bound));
        }

        await publisher.PublishAsync(Message("t", "6"));
        await using IMqttLink second = Create(version, broker.Port, InSession, "receiver");
        var all = new TaskCompletionSource();
        second.Received = message => new ValueTask<bool>(Take(message, until: "9") && (received[^1] != "6" || all.TrySetResult()));
        await second.ConnectAsync(default);
        await all.Task.WaitAsync(Eventually.Bound);

        // The first was taken; whether the broker has heard of it before the connection was closed is chance.
        Assert.Equal(["1", "2"], received.Take(2));
        Assert.Equal(["2", "3", "4", "5", "6"], received.Skip(2).SkipWhile(payload => payload == "1"));

        bool Take(MqttReceived message, string until)
        {
            received.Add(Encoding.UTF8.GetString(message.Payload.Span));
            return received[^1] != until;
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task In_a_session_what_comes_to_a_link_that_was_disposed_of_is_not_acknowledged(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink publisher = await ConnectAsync(version, broker.Port, "publisher");
        var received = new TaskCompletionSource<MqttReceived>();
        await using (IMqttLink first = await ConnectAsync(version, broker.Port, "receiver", InSession))
        {
            first.Received = _ => new ValueTask<bool>(true);
            await first.SubscribeAsync("t", default);
        }

        await publisher.PublishAsync(Message("t", "x"));
        await Task.Delay(300);
        await using IMqttLink second = Create(version, broker.Port, InSession, "receiver");
        second.Received = message => new ValueTask<bool>(received.TrySetResult(message));
        await second.ConnectAsync(default);
        await received.Task.WaitAsync(Eventually.Bound);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_message_that_cannot_be_taken_for_a_bug_of_ours_costs_the_connection_and_not_the_process(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink link = await ConnectAsync(version, broker.Port);
        link.Received = _ => throw new FormatException("what?");
        await link.SubscribeAsync("t", default);
        _ = link.PublishAsync(Message("t", "x")).ContinueWith(task => task.Exception, TaskScheduler.Default);
        Assert.Equal(
            "A message on 't' could not be processed. This is a bug in edge-runtime (FormatException): what?",
            await link.Closed.WaitAsync(Eventually.Bound));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_large_message_arrives(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink link = await ConnectAsync(version, broker.Port);
        var received = new TaskCompletionSource<MqttReceived>();
        link.Received = message => new ValueTask<bool>(received.TrySetResult(message));
        await link.SubscribeAsync("t", default);
        byte[] payload = new byte[LinkAdapter.PacketMaxBytes - 100];
        new Random(1).NextBytes(payload);
        await link.PublishAsync(Message("t", "") with { Payload = payload }).WaitAsync(Eventually.Bound);
        MqttReceived arrived = await received.Task.WaitAsync(Eventually.Bound);
        Assert.True(payload.AsSpan().SequenceEqual(arrived.Payload.Span));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task The_will_speaks_for_a_link_that_vanishes_and_not_for_one_that_says_goodbye(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "will/#");
        IMqttLink polite = await ConnectAsync(version, broker.Port, "polite");
        await polite.DisconnectAsync();
        await polite.DisposeAsync();
        IMqttLink vanishing = await ConnectAsync(version, broker.Port, "vanishing");
        await vanishing.DisposeAsync();
        await subscriber.UntilAsync(seen => seen.Count >= 1);
        await Task.Delay(200);
        Assert.Equal(["will/vanishing"], subscriber.All.Select(seen => seen.Topic));
        Assert.Equal("gone", subscriber.All[0].Payload);
    }

    /// <summary>A version as a link takes it.</summary>
    internal static MqttVersion VersionOf(string version) => version == "5" ? MqttVersion.Five : MqttVersion.ThreeOneOne;

    private static MqttLinkOptions InSession(MqttLinkOptions options) => options with { SessionSeconds = 60, Will = null };

    private static MqttMessage Message(string topic, string payload) => new()
    {
        Topic = topic,
        Payload = Encoding.UTF8.GetBytes(payload),
        Class = MessageClass.Event,
    };

    private static IMqttLink Create(string version, int port, Func<MqttLinkOptions, MqttLinkOptions>? options = null, string id = "test")
    {
        var plain = new MqttLinkOptions
        {
            Host = "127.0.0.1",
            Port = port,
            ClientId = id,
            Version = VersionOf(version),
            Will = Message($"will/{id}", "gone"),
        };
        return new MqttNetLink(options?.Invoke(plain) ?? plain);
    }

    private static async Task<IMqttLink> ConnectAsync(
        string version,
        int port,
        string id = "test",
        Func<MqttLinkOptions, MqttLinkOptions>? options = null)
    {
        IMqttLink link = Create(version, port, options, id);
        await link.ConnectAsync(default);
        return link;
    }
}
