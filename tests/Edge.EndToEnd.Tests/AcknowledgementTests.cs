using System.Diagnostics;
using System.Globalization;
using System.Text;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Streams.Forecasting;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.EndToEnd.Tests;

/// <summary>Brokers that acknowledge late, in another order, not at all, or with a refusal; and one in a hurry.</summary>
public sealed class AcknowledgementTests
{
    private const int Count = 2000;

    [Fact]
    public async Task Each_message_settles_with_its_own_acknowledgement_whatever_their_order()
    {
        await using var broker = new ScriptedBroker(async (broker, last) =>
        {
            if (last.Payload == "3")
            {
                await broker.AcknowledgeAsync(broker.All[2]);
                await broker.AcknowledgeAsync(broker.All[1], reason: 0x87);
            }
        });
        await using var link = new MqttNetLink(Options(broker.Port));
        await link.ConnectAsync(default);
        MqttDelivery[] deliveries = [.. Enumerable.Range(0, 4).Select(i => new MqttDelivery(Message(i)))];
        foreach (MqttDelivery delivery in deliveries)
        {
            await link.SendAsync(delivery);
        }

        Assert.Empty(broker.All);
        await link.FlushAsync();
        await deliveries[2].SettledAsync().WaitAsync(Eventually.Bound);
        await Assert.ThrowsAsync<MqttRefusedException>(() => deliveries[1].SettledAsync().WaitAsync(Eventually.Bound));
        Assert.Equal("NotAuthorized.", deliveries[1].Failure!.Message);
        Assert.False(deliveries[0].IsSettled || deliveries[3].IsSettled);
        broker.Reset(0);
        await Assert.ThrowsAsync<MqttLinkException>(() => deliveries[0].SettledAsync().WaitAsync(Eventually.Bound));
        Assert.NotNull(deliveries[3].Failure);
        await Assert.ThrowsAsync<MqttLinkException>(async () => await link.SendAsync(new MqttDelivery(Message(4))));
    }

    // Backwards, seven at a time; the broker takes no more than fifty unacknowledged.
    [Fact]
    public async Task A_broker_that_acknowledges_backwards_gets_all_once_in_order_and_never_more_than_it_takes()
    {
        const int ReceiveMaximum = 50;
        int most = 0;
        var pending = new Stack<Published>();
        await using var broker = new ScriptedBroker(
            async (broker, message) =>
            {
                pending.Push(message);
                most = Math.Max(most, pending.Count);
                bool isLast = message.Payload is "offline" or "online" or "info" || Number(message.Payload) == Count - 1;
                while (pending.Count >= 7 || (isLast && pending.Count > 0))
                {
                    for (int i = 0; i < 7 && pending.Count > 0; i++)
                    {
                        await broker.AcknowledgeAsync(pending.Pop());
                    }
                }
            },
            ReceiveMaximum);
        Publisher publisher = await DeliverAllAsync(broker);
        Assert.Equal(Enumerable.Range(0, Count), Numbers(broker.All));
        Assert.Equal(Count, publisher.Delivered);
        Assert.InRange(most, 7, ReceiveMaximum);
    }

    // As mosquitto does with Nagle's algorithm: of a full window it acknowledges one message, and the others only when something more came.
    [Fact]
    public async Task A_broker_that_acknowledges_one_message_of_a_small_window_gets_the_next_at_once()
    {
        const int ReceiveMaximum = 20;
        var pending = new Queue<Published>();
        bool isHolding = false;
        await using var broker = new ScriptedBroker(
            async (broker, message) =>
            {
                pending.Enqueue(message);
                bool isLast = message.Payload is "offline" or "online" or "info" || Number(message.Payload) == Count - 1;
                bool isFull = !isLast && !isHolding && pending.Count == ReceiveMaximum;
                int acknowledged = isFull ? 1 : isLast || isHolding ? pending.Count : 0;
                isHolding = isFull;
                while (acknowledged-- > 0)
                {
                    await broker.AcknowledgeAsync(pending.Dequeue());
                }
            },
            ReceiveMaximum);
        await DeliverAllAsync(broker);
        Assert.Equal(Enumerable.Range(0, Count), Numbers(broker.All));
    }

    // The first message of the first connection is never acknowledged, a hundred behind it are; then the connection goes.
    [Fact]
    public async Task A_message_without_acknowledgement_is_kept_and_sent_again_though_later_ones_were_acknowledged()
    {
        using var folder = new TemporaryFolder();
        using StateStore store = Open(folder);
        long keptAtReset = 0;
        await using var broker = new ScriptedBroker(async (broker, message) =>
        {
            if (message.Connection > 0 || message.Payload != "0")
            {
                await broker.AcknowledgeAsync(message);
            }

            if (message.Connection == 0 && message.Payload == "100")
            {
                await Task.Delay(100);
                store.Commit("s", Count + 1, [], "", []);
                keptAtReset = store.OutboxCount;
                broker.Reset(0);
            }
        });
        var outbox = new Outbox(long.MaxValue, store);
        MqttMessage[] messages = [.. Enumerable.Range(0, Count).Select(Message)];
        Assert.True(store.Commit("s", Count, [], "", messages));
        outbox.AddStored(messages);
        outbox.Complete();
        await Of(broker, outbox).RunAsync(default).WaitAsync(Eventually.Bound);
        Assert.Equal(Count, keptAtReset);

        // What was acknowledged before the reset is not sent again, as far as the acknowledgements arrived.
        int[] again = [.. Numbers(broker.All.Where(message => message.Connection == 1)).Distinct()];
        Assert.Equal([0, .. Enumerable.Range(101, Count - 101)], again.Where(number => number is 0 or > 100));
        Assert.Equal(again.Order(), again);
        store.Commit("s", Count + 2, [], "", []);
        Assert.Equal(0, store.OutboxCount);
    }

    // The end of a stream publishes its status, which is in no store. The broker acknowledges it together with the last messages of the
    // stream: backwards, so that all are settled at once.
    [Fact]
    public async Task A_message_that_is_not_stored_does_not_hide_the_acknowledgement_of_stored_ones()
    {
        const int Stored = 10;
        using var folder = new TemporaryFolder();
        var pending = new Stack<Published>();
        await using var broker = new ScriptedBroker(async (broker, message) =>
        {
            pending.Push(message);
            while (Number(message.Payload) is -1 or Stored && pending.TryPop(out Published? last))
            {
                await broker.AcknowledgeAsync(last, last.Payload == "offline" ? (byte)0x87 : (byte)0);
            }
        });
        using (StateStore store = Open(folder))
        {
            var outbox = new Outbox(long.MaxValue, store);
            MqttMessage[] messages = [.. Enumerable.Range(0, Stored).Select(Message)];
            Assert.True(store.Commit("s", Stored, [], "", messages));
            outbox.AddStored(messages);
            outbox.Enqueue(Message(Stored));
            outbox.Complete();
            await Of(broker, outbox).RunAsync(default).WaitAsync(Eventually.Bound);
        }

        Assert.Equal(Enumerable.Range(0, Stored + 1), Numbers(broker.All));
        using StateStore again = Open(folder);
        Assert.Equal(0, again.OutboxCount);
    }

    // Readings have QoS 0, and the last ones come after the last message that is acknowledged.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_acknowledgement_of_offline_covers_the_readings_before_it(bool isAcknowledged)
    {
        using var folder = new TemporaryFolder();
        MqttMessage[] messages =
        [
            .. Enumerable.Range(0, Count)
                .Select(i => Message(i) with { QualityOfService = i == Count - 14 ? 1 : 0, Class = MessageClass.Reading }),
        ];
        await using var broker = new ScriptedBroker(
            (broker, message) => broker.AcknowledgeAsync(message, message.Payload == "offline" && !isAcknowledged ? (byte)0x87 : (byte)0));
        using (StateStore store = Open(folder))
        {
            var outbox = new Outbox(long.MaxValue, store);
            Assert.True(store.Commit("s", Count, [], "", messages));
            outbox.AddStored(messages);
            outbox.Complete();
            Publisher publisher = Of(broker, outbox);
            await publisher.RunAsync(default).WaitAsync(Eventually.Bound);
            Assert.Equal(Count, publisher.Delivered);
        }

        using StateStore again = Open(folder);
        Assert.Equal(isAcknowledged ? 0 : 13, again.OutboxCount);
    }

    // The broker's time counts, not the one the client asked for; and an idle client pings no more often than that.
    [Fact]
    public async Task A_broker_that_wants_to_hear_every_second_does()
    {
        await using var broker = new ScriptedBroker((_, _) => Task.CompletedTask, keepAliveSeconds: 1);
        await using var link = new MqttNetLink(Options(broker.Port));
        long started = Stopwatch.GetTimestamp();
        await link.ConnectAsync(default);
        await Eventually.Async(() => broker.Pings >= 3);
        Assert.False(link.Closed.IsCompleted);
        Assert.InRange(broker.Pings, 3, 1 + Stopwatch.GetElapsedTime(started).TotalSeconds);
    }

    private static async Task<Publisher> DeliverAllAsync(ScriptedBroker broker)
    {
        var outbox = new Outbox(long.MaxValue);
        Publisher publisher = Of(broker, outbox);
        for (int i = 0; i < Count; i++)
        {
            outbox.Enqueue(Message(i));
        }

        outbox.Complete();
        await publisher.RunAsync(default).WaitAsync(Eventually.Bound);
        return publisher;
    }

    private static Publisher Of(ScriptedBroker broker, Outbox outbox)
    {
        MqttMessage info = Message(0) with { Payload = "info"u8.ToArray() };
        var announcements = new Announcements(
            StatusMessage.Write("house", isOnline: true),
            StatusMessage.Write("house", isOnline: false),
            () => info);
        return new Publisher(outbox, () => new MqttNetLink(Options(broker.Port)), announcements, TimeProvider.System, NullLogger.Instance);
    }

    private static MqttLinkOptions Options(int port) => new() { Host = "127.0.0.1", Port = port, ClientId = "house" };

    private static StateStore Open(TemporaryFolder folder) => StateStore.Open(
        folder.File("state"), TimeSpan.FromSeconds(5), TimeSpan.FromDays(7), TimeProvider.System, "boot", NullLogger.Instance);

    private static MqttMessage Message(int i) => new()
    {
        Topic = "t",
        Payload = Encoding.UTF8.GetBytes($"{i}"),
        Class = MessageClass.Forecast,
    };

    private static int Number(string payload) => int.TryParse(payload, CultureInfo.InvariantCulture, out int number) ? number : -1;

    private static IEnumerable<int> Numbers(IEnumerable<Published> published) =>
        published.Select(message => Number(message.Payload)).Where(number => number >= 0);
}
