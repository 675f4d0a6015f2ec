using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.EndToEnd.Tests;

/// <summary>What a broker or a client of it does wrong costs what it concerns, and nothing else.</summary>
public sealed partial class PeerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Versions => MqttLinkContractTests.Versions;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_topic_that_the_broker_refuses_costs_that_topic_and_one_line_and_check_says_it_before()
    {
        string rules = _folder.Write("acl", "topic read #\ntopic readwrite edge/house/climate/forecast\n");
        _folder.ShareForReading();
        await using TestBroker broker = await TestBroker.StartAsync($"allow_anonymous true\nacl_file {rules}");
        string config = Write(broker.Port, "discovery: homeassistant");
        using (RuntimeProcess check = RuntimeProcess.Start("check", "--config", config))
        {
            Assert.Equal(1, await check.ExitAsync());
            string[] topics = ["edge/house/status", "edge/house/climate/reading", "homeassistant/device/house-climate/config"];
            foreach (string topic in topics)
            {
                Assert.Contains($"WRONG  topic: The broker refuses '{topic}': NotAuthorized.", check.Output, StringComparison.Ordinal);
            }

            Assert.DoesNotContain("climate/forecast'", check.Output, StringComparison.Ordinal);
            Assert.Contains("ok     broker 127.0.0.1", check.Output, StringComparison.Ordinal);
        }

        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == "edge/house/climate/forecast") > 10);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        string[] refused = [.. run.Error.Split('\n').Where(line => line.Contains("refuses messages", StringComparison.Ordinal))];
        Assert.Equal(refused.Distinct().Count(), refused.Length);
        Assert.Single(refused, line => line.Contains("'edge/house/status': NotAuthorized.", StringComparison.Ordinal));
        Assert.Single(refused, line => line.Contains("'edge/house/info': NotAuthorized.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_message_larger_than_the_broker_takes_is_dropped_with_both_sizes_and_the_others_arrive()
    {
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nmax_packet_size 600");
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "t/#");
        await using IMqttLink link = new MqttNetLink(new MqttLinkOptions { Host = "127.0.0.1", Port = broker.Port, ClientId = "house" });
        await link.ConnectAsync(default);

        // Up to exactly the limit the broker takes it; it would end the connection for one byte more.
        int most = 0;
        for (int bytes = 500; bytes < 640; bytes++)
        {
            try
            {
                MqttMessage message = Message("t/x", new string('x', bytes));
                await link.PublishAsync(message with { ContentType = "text/plain", ExpirySeconds = 9, Seq = 7 });
                most = bytes;
            }
            catch (MqttRefusedException e)
            {
                Assert.Equal("a message has 601 bytes, and the broker takes at most 600.", e.Message);
                break;
            }
        }

        Assert.InRange(most, 500, 600);
        Assert.False(link.Closed.IsCompleted);
        await subscriber.UntilAsync(seen => seen.Any(item => item.Payload.Length == most));
    }

    [Fact]
    public async Task A_message_after_which_the_broker_hangs_up_twice_is_dropped_and_all_others_arrive_in_order()
    {
        await using var broker = new ScriptedBroker(async (broker, message) =>
        {
            if (message.Payload == "poison")
            {
                broker.Reset(message.Connection);
                return;
            }

            await broker.AcknowledgeAsync(message);
        });
        var outbox = new Outbox(long.MaxValue);
        for (int i = 0; i < 40; i++)
        {
            outbox.Enqueue(Message("t", i == 17 ? "poison" : $"{i}"));
        }

        outbox.Complete();
        var publisher = new Publisher(
            outbox,
            () => new MqttNetLink(new MqttLinkOptions { Host = "127.0.0.1", Port = broker.Port, ClientId = "house" }),
            new Announcements(StatusMessage.Write("h", true), StatusMessage.Write("h", false), () => Message("info", "info")),
            TimeProvider.System,
            NullLogger.Instance);
        await publisher.RunAsync(default).WaitAsync(Eventually.Bound);
        string[] numbers =
        [
            .. broker.All.Select(message => message.Payload).Where(payload => int.TryParse(payload, out _)).Distinct(),
        ];
        Assert.Equal(Enumerable.Range(0, 40).Where(i => i != 17).Select(i => $"{i}"), numbers);
        Assert.Equal(1, publisher.Refused);
        Assert.Equal(3, broker.All.Count(message => message.Payload == "poison"));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_broker_without_retained_messages_is_found_out_and_gets_all_the_others(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync("allow_anonymous true\nretain_available false");
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", Write(broker.Port, $"version: \"{version}\""));
        await subscriber.UntilAsync(
            seen => seen.Any(item => item.Topic == "edge/house/status") && seen.Any(item => item.Topic == "edge/house/climate/forecast"));
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
        Assert.DoesNotContain("password", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("stop")]
    [InlineData("reload")]
    public async Task A_broker_that_answers_no_subscription_holds_up_neither_a_stop_nor_a_reload(string what)
    {
        await using var broker = new ScriptedBroker((broker, message) => broker.AcknowledgeAsync(message));
        string config = Write(
            broker.Port,
            more: "  - { name: rows, model: demo, source: { mqtt: { topic: in/rows, time: $.ts } } }\n",
            state: "state: state\n");
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        await Eventually.Async(() => broker.Subscriptions >= 1, "it subscribes");
        if (what == "reload")
        {
            File.WriteAllText(config, File.ReadAllText(config).Replace("seed: 1", "seed: 2", StringComparison.Ordinal));
            int before = broker.Subscriptions;
            run.Hangup();
            await Eventually.Async(() => broker.Subscriptions > before, "it subscribes again");
            Assert.False(run.HasExited);
        }

        run.Terminate();
        Assert.Equal(0, await run.ExitAsync(30));
        Assert.DoesNotContain("bug", run.Error, StringComparison.Ordinal);

        // The store was closed well: its log is gone.
        Assert.False(File.Exists(_folder.File("state/edge.db-wal")));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_message_of_many_megabytes_costs_no_more_than_the_limit_and_the_next_one_arrives(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using IMqttLink link = new MqttNetLink(
            new MqttLinkOptions
            {
                Host = "127.0.0.1",
                Port = broker.Port,
                ClientId = "house",
                Version = MqttLinkContractTests.VersionOf(version),
            });
        var received = new List<int>();
        link.Received = message =>
        {
            lock (received)
            {
                received.Add(message.Payload.Length);
            }

            return new ValueTask<bool>(true);
        };
        await link.ConnectAsync(default);
        await link.SubscribeAsync("t", default);
        string large = _folder.Write("large", new string(' ', 9 << 20));
        using (var publish = System.Diagnostics.Process.Start(
            "mosquitto_pub", ["-p", $"{broker.Port}", "-q", "1", "-t", "t", "-f", large]))
        {
            await publish.WaitForExitAsync();
        }

        using (var publish = System.Diagnostics.Process.Start(
            "mosquitto_pub", ["-p", $"{broker.Port}", "-q", "1", "-t", "t", "-m", "small"]))
        {
            await publish.WaitForExitAsync();
        }

        await Eventually.Async(() => received.Contains(5), "the small one arrives");
        Assert.All(received, bytes => Assert.InRange(bytes, 5, LinkAdapter.PacketMaxBytes));
        Assert.False(link.Closed.IsCompleted);
    }

    [Fact]
    public async Task A_flood_of_qos_0_is_dropped_beyond_a_bound_and_counted_and_qos_1_waits()
    {
        var limit = new ReceiveLimit();
        for (int i = 0; i < ReceiveLimit.CountMax; i++)
        {
            Assert.True(await limit.AddAsync(100, canWait: false, default));
        }

        for (int i = 0; i < 100_000; i++)
        {
            Assert.False(await limit.AddAsync(100, canWait: false, default));
        }

        Assert.Equal(100_000, limit.Dropped);
        Task<bool> waiting = limit.AddAsync(100, canWait: true, default).AsTask();
        Assert.True(limit.IsFull && !waiting.IsCompleted);
        limit.Remove(100);
        Assert.True(await waiting.WaitAsync(Eventually.Bound));
        Assert.False(limit.IsFull);

        // Few large ones are as much.
        var large = new ReceiveLimit();
        Assert.True(await large.AddAsync(ReceiveLimit.BytesMax * 2, canWait: false, default));
        Assert.False(await large.AddAsync(1, canWait: false, default));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_shared_subscription_brings_its_messages_and_one_that_nobody_reads_is_refused(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        Func<IMqttLink> create = () => new MqttNetLink(
            new MqttLinkOptions
            {
                Host = "127.0.0.1",
                Port = broker.Port,
                ClientId = "house-rows",
                SessionSeconds = 600,
                Version = MqttLinkContractTests.VersionOf(version),
            });

        // A subscription of an earlier configuration stays in the session.
        await using (IMqttLink before = create())
        {
            await before.ConnectAsync(default);
            await before.SubscribeAsync("old/topic", default);
            await before.DisconnectAsync();
        }

        using var input = new MqttSubscriber(create, TimeProvider.System, NullLogger.Instance);
        var taken = new ConcurrentQueue<string>();
        input.Subscribe("$share/group/plant/rows", message => taken.Enqueue(message.Topic));
        await using IMqttLink publisher = new MqttNetLink(
            new MqttLinkOptions
            {
                Host = "127.0.0.1",
                Port = broker.Port,
                ClientId = "plant",
                Version = MqttLinkContractTests.VersionOf(version),
            });
        await publisher.ConnectAsync(default);
        await publisher.PublishAsync(Message("old/topic", "x"));
        await Eventually.Async(
            async () =>
            {
                await publisher.PublishAsync(Message("plant/rows", "{}"));
                return !taken.IsEmpty;
            },
            "rows come");
        Assert.All(taken, topic => Assert.Equal("plant/rows", topic));
    }

    [Fact]
    public async Task A_home_automation_that_says_thousands_of_times_that_it_has_started_is_answered_at_most_once_in_ten_seconds()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "#");
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", Write(broker.Port, "discovery: homeassistant"));
        const string Topic = "homeassistant/device/house-climate/config";
        await subscriber.UntilAsync(seen => seen.Any(item => item.Topic == Topic));
        using (var births = new RowPublisher(broker.Port, "homeassistant/status"))
        {
            for (int i = 0; i < 3000; i++)
            {
                births.Write("online");
            }

            await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == "homeassistant/status") == 3000);
        }

        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == Topic) == 2);
        int forecasts = subscriber.On("edge/house/climate/forecast").Count;
        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == "edge/house/climate/forecast") > forecasts + 5);
        Assert.Equal(2, subscriber.On(Topic).Count);
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
    }

    [Fact]
    public async Task Two_devices_of_one_name_are_told_so_and_try_ever_more_rarely()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        string config = Write(broker.Port);
        using RuntimeProcess one = RuntimeProcess.Start("run", "--config", config);
        using RuntimeProcess two = RuntimeProcess.Start("run", "--config", config);
        await Eventually.Async(
            () => (one.Error + two.Error).Contains("If another device has the same name or client id", StringComparison.Ordinal),
            "one of them says why");
        Assert.InRange(one.Error.Split('\n').Length, 1, 14);
    }

    [Fact]
    public async Task Requests_that_never_end_are_ended_and_health_is_answered_beside_them()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        int port = TestBroker.FreePort();
        using RuntimeProcess run = RuntimeProcess.Start(
            "run", "--config", Write(broker.Port, state: $"telemetry: {{ port: {port} }}\n"));
        using var client = new HttpClient { Timeout = Eventually.Bound };
        await Eventually.Async(() => IsLiveAsync(client, port), "it answers");
        int handles = run.Handles;
        var open = new List<Socket>();
        for (int i = 0; i < 200; i++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            open.Add(socket);
            await socket.ConnectAsync(IPAddress.Loopback, port);
            await socket.SendAsync(Encoding.ASCII.GetBytes("GET /metrics HTTP/1.1\r\nX-"));
        }

        await Eventually.Async(() => IsLiveAsync(client, port), "it answers beside them");
        await Eventually.Async(() => run.Handles < handles + 20, "their handles are free again");
        open.ForEach(socket => socket.Dispose());
    }

    private static async Task<bool> IsLiveAsync(HttpClient client, int port)
    {
        try
        {
            return (await client.GetAsync($"http://127.0.0.1:{port}/health/live")).IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static MqttMessage Message(string topic, string payload) =>
        new() { Topic = topic, Payload = Encoding.UTF8.GetBytes(payload), Class = MessageClass.Event };

    private string Write(int port, string mqtt = "", string more = "", string state = "")
    {
        string keys = mqtt.Length > 0 ? $", {mqtt}" : "";
        return _folder.Write(
            "edge.yaml",
            $"device: house\n{state}mqtt: {{ host: 127.0.0.1, port: {port}{keys} }}\nstreams:\n"
                + $"  - {{ name: climate, model: demo, period: 200ms, source: {{ simulated: {{ seed: 1 }} }} }}\n{more}");
    }
}
