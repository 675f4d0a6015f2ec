using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Edge.Streams.Forecasting;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

public sealed class OutboxTests
{
    [Fact]
    public async Task Messages_leave_in_the_order_they_came()
    {
        var outbox = new Outbox(1 << 20);
        MessageClass[] classes =
        [
            MessageClass.Event,
            MessageClass.Reading,
            MessageClass.Forecast,
            MessageClass.Reading,
            MessageClass.Event,
        ];
        for (int i = 0; i < classes.Length; i++)
        {
            outbox.Enqueue(Message(classes[i], i));
        }

        Assert.Equal(["0", "1", "2", "3", "4"], Drain(outbox));
    }

    [Fact]
    public async Task Without_room_the_oldest_readings_go_first_forecasts_next_and_events_last()
    {
        var outbox = new Outbox(60);
        for (int i = 0; i < 6; i++)
        {
            outbox.Enqueue(Message((MessageClass)(i % 3), i));
        }

        outbox.Enqueue(Message(MessageClass.Event, 6));
        outbox.Enqueue(Message(MessageClass.Event, 7));
        outbox.Enqueue(Message(MessageClass.Event, 8));
        Assert.Equal([2, 1, 0], outbox.Dropped);
        Assert.Equal(["2", "4", "5", "6", "7", "8"], Drain(outbox));
    }

    [Fact]
    public void Nothing_that_waits_has_no_age_though_the_broker_has_not_acknowledged_all()
    {
        using var folder = new TemporaryFolder();
        var clock = new FakeTimeProvider();
        using StateStore store = StateStore.Open(
            folder.Path, TimeSpan.Zero, TimeSpan.FromDays(7), clock, "boot", NullLogger.Instance);
        var outbox = new Outbox(1 << 20, store);
        MqttMessage[] messages = [Message(MessageClass.Reading, 0)];
        Assert.True(store.Commit("s", 1, [], "", messages));
        outbox.AddStored(messages);
        clock.Advance(TimeSpan.FromSeconds(24));
        Assert.Equal((1, 24), (outbox.Count, outbox.Age.TotalSeconds));

        // Sent, and settled with the next message of QoS 1.
        Assert.True(outbox.TryDequeue(out _));
        Assert.Equal((0, TimeSpan.Zero), (outbox.Count, outbox.Age));
        Assert.Equal(24, store.OutboxAge().TotalSeconds);
    }

    [Fact]
    public async Task A_source_that_can_wait_is_held_up_until_there_is_room()
    {
        var outbox = new Outbox(20);
        await outbox.EnqueueAsync([Message(MessageClass.Reading, 0)], default);
        await outbox.EnqueueAsync([Message(MessageClass.Reading, 1)], default);
        Task third = outbox.EnqueueAsync([Message(MessageClass.Reading, 2)], default).AsTask();
        await Task.Delay(20);
        Assert.False(third.IsCompleted);
        Assert.True(outbox.TryDequeue(out _));
        await third.WaitAsync(Eventually.Bound);
        Assert.Equal(["1", "2"], Drain(outbox));
        Assert.Equal([0, 0, 0], outbox.Dropped);
    }

    [Fact]
    public async Task A_message_larger_than_the_outbox_still_passes()
    {
        var outbox = new Outbox(5);
        await outbox.EnqueueAsync([Message(MessageClass.Event, 0)], default).AsTask().WaitAsync(Eventually.Bound);
        Assert.Equal(["0"], Drain(outbox));
    }

    [Fact]
    public async Task Waiting_ends_with_a_message_and_with_the_end()
    {
        var outbox = new Outbox(1 << 20);
        Task<bool> waiting = outbox.WaitAsync(default).AsTask();
        outbox.Enqueue(Message(MessageClass.Event, 0));
        Assert.True(await waiting.WaitAsync(Eventually.Bound));
        outbox.Complete();
        Assert.True(await outbox.WaitAsync(default));
        Drain(outbox);
        Assert.False(await outbox.WaitAsync(default));
    }

    [Fact]
    public async Task With_a_store_what_does_not_fit_in_memory_comes_in_its_turn_and_nobody_waits_for_ever()
    {
        using var folder = new TemporaryFolder();
        using StateStore store = StateStore.Open(
            folder.File("state"),
            TimeSpan.FromSeconds(5),
            TimeSpan.FromDays(7),
            TimeProvider.System,
            "boot",
            NullLogger.Instance);
        var outbox = new Outbox(1 << 20, store);
        const int Ticks = 3000;
        for (int i = 0; i < Ticks; i++)
        {
            MqttMessage[] tick = [Message(MessageClass.Forecast, i)];
            Assert.True(store.Commit("s", i + 1, [], "", tick));
            outbox.AddStored(tick);
        }

        Assert.Equal(Ticks, outbox.Count);
        Task room = outbox.WaitForRoomAsync(default).AsTask();
        Assert.False(room.IsCompleted);
        var taken = new List<MqttMessage>();
        while (outbox.TryDequeue(out MqttMessage? message))
        {
            taken.Add(message!);
            outbox.Delivered(message!);
        }

        Assert.Equal(Enumerable.Range(0, Ticks).Select(i => $"{i}"), taken.Select(message => message.Topic));
        await room.WaitAsync(Eventually.Bound);

        // A fresh outbox over the same store has nothing to send again once the deliveries are committed.
        store.Commit("s", Ticks + 1, [], "", []);
        Assert.False(new Outbox(1 << 20, store).TryDequeue(out _));
    }

    private static MqttMessage Message(MessageClass messageClass, int number) => new()
    {
        Topic = $"{number}",
        Payload = new byte[10],
        Class = messageClass,
    };

    private static List<string> Drain(Outbox outbox)
    {
        var topics = new List<string>();
        while (outbox.TryDequeue(out MqttMessage? message))
        {
            topics.Add(message!.Topic);
        }

        return topics;
    }
}
