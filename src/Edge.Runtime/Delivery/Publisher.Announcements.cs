using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Delivery;

/// <summary>Messages about the device itself, and the descriptions that a home automation reads.</summary>
internal sealed partial class Publisher
{
    // How long the retained descriptions may take to arrive.
    private static readonly TimeSpan PreviousWait = TimeSpan.FromMilliseconds(500);

    // However often a home automation says that it has started.
    private static readonly TimeSpan DescribeEvery = TimeSpan.FromSeconds(10);

    // A description is a few kilobytes. A larger retained one was not written here and is not read.
    private const int PreviousMaxBytes = 256 << 10;

    private IReadOnlyList<MqttMessage> _descriptions = [];
    private TaskCompletionSource _birth = NewSignal();
    private int _isBirthPending;
    private long _describedAt;

    // Publishes a message of the device itself. If the broker refuses it, that costs this topic alone. Returns whether the broker has
    // acknowledged it.
    private async ValueTask<bool> AnnounceAsync(IMqttLink link, MqttMessage message, CancellationToken cancel)
    {
        if (_blamed.IsBarred(message))
        {
            return false;
        }

        try
        {
            await link.PublishAsync(message).WaitAsync(_patience, cancel).ConfigureAwait(false);
            _blamed.NoteAnnounced(message);
            return true;
        }
        catch (MqttRefusedException e)
        {
            NoteRefusal(message, e.Message);
            return false;
        }
        catch (MqttLinkException) when (_blamed.NoteHangUp(message))
        {
            NoteRefusal(message, HungUp(message));
            throw;
        }
    }

    // The retained descriptions are read first, so that what is no longer configured can be removed. The descriptions are published again
    // whenever the home automation starts.
    private async ValueTask DescribeAsync(IMqttLink link, DiscoveryAnnouncement discovery, CancellationToken cancel)
    {
        var previous = discovery.Descriptions.ToDictionary(
            description => description.Topic,
            _ => new TaskCompletionSource<ReadOnlyMemory<byte>>(TaskCreationOptions.RunContinuationsAsynchronously));
        link.Received = message =>
        {
            if (previous.TryGetValue(message.Topic, out TaskCompletionSource<ReadOnlyMemory<byte>>? retained))
            {
                retained.TrySetResult(message.Payload.Length <= PreviousMaxBytes ? message.Payload : default);
            }
            else if (message.Topic == discovery.BirthTopic && message.Payload.Span.SequenceEqual("online"u8))
            {
                NoteBirth(cancel);
            }

            return new ValueTask<bool>(true);
        };
        foreach (string topic in previous.Keys.Append(discovery.BirthTopic))
        {
            try
            {
                await link.SubscribeAsync(topic, cancel).WaitAsync(_patience, cancel).ConfigureAwait(false);
            }
            catch (MqttRefusedException)
            {
                // The broker does not allow it: the description is published without knowing the retained one.
                previous.GetValueOrDefault(topic)?.TrySetResult(default);
            }
        }

        Task[] all = [.. previous.Values.Select(each => each.Task)];
        await Task.WhenAny(Task.WhenAll(all), Task.Delay(PreviousWait, cancel)).ConfigureAwait(false);
        _descriptions =
        [
            .. discovery.Descriptions.Select(
                each => each.Write(previous[each.Topic].Task is { IsCompletedSuccessfully: true } task ? task.Result : default)),
        ];
        await PublishDescriptionsAsync(link, cancel).ConfigureAwait(false);
    }

    private async ValueTask PublishDescriptionsAsync(IMqttLink link, CancellationToken cancel)
    {
        _describedAt = _clock.GetTimestamp();
        foreach (MqttMessage description in _descriptions)
        {
            await AnnounceAsync(link, description, cancel).ConfigureAwait(false);
        }
    }

    // Called on the link's thread, perhaps thousands of times a second: at most one is pending.
    private void NoteBirth(CancellationToken cancel)
    {
        if (Interlocked.Exchange(ref _isBirthPending, 1) == 1)
        {
            return;
        }

        TimeSpan wait = DescribeEvery - _clock.GetElapsedTime(Volatile.Read(ref _describedAt));
        _ = SignalAsync(wait > TimeSpan.Zero ? wait : TimeSpan.Zero);

        async Task SignalAsync(TimeSpan delay)
        {
            await Task.Delay(delay, _clock, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Volatile.Read(ref _birth).TrySetResult();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
