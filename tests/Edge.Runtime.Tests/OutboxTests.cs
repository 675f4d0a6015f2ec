using Edge.Runtime.Mqtt;
using Edge.Runtime.Publishing;

namespace Edge.Runtime.Tests;

public sealed class OutboxTests
{
    [Fact]
    public async Task Messages_leave_in_the_order_they_came()
    {
        var outbox = new Outbox(1 << 20);
        MessageClass[] classes = [MessageClass.Event, MessageClass.Reading, MessageClass.Forecast, MessageClass.Reading, MessageClass.Event];
        for (int i = 0; i < classes.Length; i++)
        {
            await outbox.EnqueueAsync(Message(classes[i], i), canWait: false, default);
        }

        Assert.Equal(["0", "1", "2", "3", "4"], Drain(outbox));
    }

    [Fact]
    public async Task Without_room_the_oldest_readings_go_first_forecasts_next_and_events_last()
    {
        var outbox = new Outbox(60);
        for (int i = 0; i < 6; i++)
        {
            await outbox.EnqueueAsync(Message((MessageClass)(i % 3), i), canWait: false, default);
        }

        await outbox.EnqueueAsync(Message(MessageClass.Event, 6), canWait: false, default);
        await outbox.EnqueueAsync(Message(MessageClass.Event, 7), canWait: false, default);
        await outbox.EnqueueAsync(Message(MessageClass.Event, 8), canWait: false, default);
        Assert.Equal([2, 1, 0], outbox.Dropped);
        Assert.Equal(["2", "4", "5", "6", "7", "8"], Drain(outbox));
    }

    [Fact]
    public async Task A_source_that_can_wait_is_held_up_until_there_is_room()
    {
        var outbox = new Outbox(20);
        await outbox.EnqueueAsync(Message(MessageClass.Reading, 0), canWait: true, default);
        await outbox.EnqueueAsync(Message(MessageClass.Reading, 1), canWait: true, default);
        Task third = outbox.EnqueueAsync(Message(MessageClass.Reading, 2), canWait: true, default).AsTask();
        await Task.Delay(20);
        Assert.False(third.IsCompleted);
        Assert.True(outbox.TryDequeue(out _));
        await third.WaitAsync(TimeSpan.FromSeconds(5));
        Assert.Equal(["1", "2"], Drain(outbox));
        Assert.Equal([0, 0, 0], outbox.Dropped);
    }

    [Fact]
    public async Task A_message_larger_than_the_outbox_still_passes()
    {
        var outbox = new Outbox(5);
        await outbox.EnqueueAsync(Message(MessageClass.Event, 0), canWait: true, default).AsTask().WaitAsync(TimeSpan.FromSeconds(5));
        Assert.Equal(["0"], Drain(outbox));
    }

    [Fact]
    public async Task Waiting_ends_with_a_message_and_with_the_end()
    {
        var outbox = new Outbox(1 << 20);
        Task<bool> waiting = outbox.WaitAsync(default).AsTask();
        await outbox.EnqueueAsync(Message(MessageClass.Event, 0), canWait: false, default);
        Assert.True(await waiting.WaitAsync(TimeSpan.FromSeconds(5)));
        outbox.Complete();
        Assert.True(await outbox.WaitAsync(default));
        Drain(outbox);
        Assert.False(await outbox.WaitAsync(default));
    }

    private static MqttMessage Message(MessageClass messageClass, int number) => new() { Topic = $"{number}", Payload = new byte[10], Class = messageClass };

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
