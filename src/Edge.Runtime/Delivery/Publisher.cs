using System.Diagnostics;
using Edge.Inference;
using Edge.Runtime.Mqtt;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Delivers the outbox to the broker: connects, publishes <c>online</c>, keeps a window of unacknowledged messages in flight, sends
/// them again after a lost connection, and publishes <c>offline</c> at the end.
/// </summary>
/// <remarks>
/// Threads: everything runs in the one loop of <see cref="RunAsync"/>, so the fields need no lock. Two exceptions:
/// the callback for received messages runs on the thread of the link and only adds to the outbox, which has a lock;
/// <see cref="Delivered"/> and <see cref="IsConnected"/> may be read by any thread.
/// The link settles a message on its own thread. The loop sees that by <see cref="MqttDelivery.IsSettled"/>.
/// Promised order: messages are sent in the order of the outbox. After a lost connection, unacknowledged ones are sent
/// again first, in their old order. A delivery is reported to the store only when all messages before it are settled too.
/// So an acknowledged id never covers a message that was not sent.
/// </remarks>
internal sealed class Publisher
{
    private const int WindowMax = 256;

    // Messages of QoS 0 that are sent again after a lost connection, if nothing after them was acknowledged.
    private const int UnconfirmedMax = 1024;

    // A broker that acknowledges nothing for this time counts as gone: a frozen broker keeps its connection open.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    // How long the retained description may take to arrive.
    private static readonly TimeSpan PreviousWait = TimeSpan.FromMilliseconds(500);

    private readonly Outbox _outbox;
    private readonly Func<IMqttLink> _newLink;
    private readonly Announcements _announcements;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly TimeSpan _patience;
    private readonly Queue<MqttDelivery> _inFlight = new();
    private readonly List<MqttMessage> _unconfirmed = [];
    private readonly HashSet<string> _refusedTopics = [];
    private readonly Dictionary<string, MqttMessage> _retained = [];
    private Queue<MqttMessage> _again = new();

    /// <param name="outbox">Messages to deliver.</param>
    /// <param name="newLink">Makes a link for each attempt to connect.</param>
    /// <param name="announcements">Messages about the device itself.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">Connections, and topics that the broker refuses.</param>
    /// <param name="patience">Time without an acknowledgment after which the broker counts as gone.</param>
    internal Publisher(
        Outbox outbox, Func<IMqttLink> newLink, Announcements announcements, TimeProvider clock, ILogger log, TimeSpan? patience = null)
    {
        _patience = patience ?? Patience;
        _outbox = outbox;
        _newLink = newLink;
        _announcements = announcements;
        _clock = clock;
        _log = log;
    }

    /// <summary>Messages that the broker has acknowledged (QoS 1) or the client has sent (QoS 0).</summary>
    internal long Delivered { get; private set; }

    /// <summary>Whether the broker is connected.</summary>
    internal bool IsConnected { get; private set; }

    /// <summary>Runs until the outbox is complete and delivered.</summary>
    /// <exception cref="InputException">The broker refuses the first connection: a mistake in the configuration.</exception>
    internal async Task RunAsync(CancellationToken cancel)
    {
        bool wasConnected = false;
        bool saidUnreachable = false;
        var backoff = new Backoff(Backoff.LinkMin, Backoff.LinkMax, _clock);
        while (true)
        {
            await using IMqttLink link = _newLink();
            try
            {
                await link.ConnectAsync(cancel).ConfigureAwait(false);
                _log.LogInformation("Connected to the broker");
                wasConnected = true;
                IsConnected = true;
                saidUnreachable = false;
                backoff.Reset();
                await link.PublishAsync(_announcements.Online).WaitAsync(_patience, cancel).ConfigureAwait(false);
                await link.PublishAsync(_announcements.Info()).WaitAsync(_patience, cancel).ConfigureAwait(false);
                await RestoreRetainedAsync(link, cancel).ConfigureAwait(false);
                if (_announcements.Description is { } description)
                {
                    await DescribeAsync(link, description, cancel).ConfigureAwait(false);
                }

                await PumpAsync(link, cancel).ConfigureAwait(false);
                await link.PublishAsync(_announcements.Offline).WaitAsync(_patience, cancel).ConfigureAwait(false);
                await link.DisconnectAsync().WaitAsync(_patience, cancel).ConfigureAwait(false);
                return;
            }
            catch (MqttRefusedException e) when (!wasConnected)
            {
                throw new InputException(e.Message, e);
            }
            catch (Exception e) when (e is MqttLinkException or TimeoutException)
            {
                if (!saidUnreachable)
                {
                    string why = e is TimeoutException ? $"The broker has not answered for {_patience.TotalSeconds:0.#} s." : e.Message;
                    _log.LogWarning(
                        "{Reason} Retrying until it works. {Count} messages wait",
                        why,
                        _outbox.Count + _again.Count + _inFlight.Count);
                    saidUnreachable = true;
                }
            }
            finally
            {
                IsConnected = false;
                KeepUnacknowledged();
            }

            await backoff.WaitAsync(cancel).ConfigureAwait(false);
        }
    }

    // A broker that has lost its retained messages gets them again.
    private async ValueTask RestoreRetainedAsync(IMqttLink link, CancellationToken cancel)
    {
        foreach (MqttMessage message in _retained.Values)
        {
            await link.PublishAsync(message).WaitAsync(_patience, cancel).ConfigureAwait(false);
        }
    }

    // The retained description is read first, so that what is no longer configured can be removed. The description is published again
    // whenever the home automation starts.
    private async ValueTask DescribeAsync(IMqttLink link, DeviceDescription device, CancellationToken cancel)
    {
        var previous = new TaskCompletionSource<ReadOnlyMemory<byte>>(TaskCreationOptions.RunContinuationsAsynchronously);
        MqttMessage? description = null;
        link.Received = message =>
        {
            if (message.Topic == device.Topic)
            {
                previous.TrySetResult(message.Payload);
            }
            else if (message.Topic == device.BirthTopic
                && message.Payload.Span.SequenceEqual("online"u8)
                && Volatile.Read(ref description) is { } again)
            {
                // Through the outbox: this is the link's thread, and only the publisher may publish.
                _outbox.Enqueue(again);
            }

            return new ValueTask<bool>(true);
        };
        try
        {
            await link.SubscribeAsync(device.Topic, cancel).WaitAsync(_patience, cancel).ConfigureAwait(false);
            await link.SubscribeAsync(device.BirthTopic, cancel).WaitAsync(_patience, cancel).ConfigureAwait(false);
        }
        catch (MqttRefusedException)
        {
            // The broker allows no subscription: publish the description without knowing the retained one.
            previous.TrySetResult(default);
        }

        await Task.WhenAny(previous.Task, Task.Delay(PreviousWait, cancel)).ConfigureAwait(false);
        Volatile.Write(ref description, device.Write(previous.Task.IsCompletedSuccessfully ? previous.Task.Result : default));
        await link.PublishAsync(description!).WaitAsync(_patience, cancel).ConfigureAwait(false);
    }

    private async Task PumpAsync(IMqttLink link, CancellationToken cancel)
    {
        int window = Math.Clamp(link.ReceiveMaximum, 1, WindowMax);
        while (true)
        {
            while (_again.TryDequeue(out MqttMessage? message) || _outbox.TryDequeue(out message))
            {
                await SendAsync(link, message!, window, cancel).ConfigureAwait(false);
            }

            await InTimeAsync(link.FlushAsync(), cancel).ConfigureAwait(false);
            Task<bool> more = _outbox.WaitAsync(cancel).AsTask();
            if (!more.IsCompleted)
            {
                await SettleAsync(link, 0, cancel).ConfigureAwait(false);
            }

            if (await Task.WhenAny(more, link.Closed).ConfigureAwait(false) != more)
            {
                throw new MqttLinkException(await link.Closed.ConfigureAwait(false));
            }

            if (!await more.ConfigureAwait(false))
            {
                await SettleAsync(link, 0, cancel).ConfigureAwait(false);
                return;
            }
        }
    }

    // Hands a message to the link. It stays in flight until it is acknowledged, so that a lost connection loses nothing.
    private async ValueTask SendAsync(IMqttLink link, MqttMessage message, int window, CancellationToken cancel)
    {
        var delivery = new MqttDelivery(message);
        _inFlight.Enqueue(delivery);
        await InTimeAsync(link.SendAsync(delivery), cancel).ConfigureAwait(false);
        if (_inFlight.Count >= window)
        {
            await SettleAsync(link, window - 1, cancel).ConfigureAwait(false);
        }
    }

    // Waits until at most this many messages are in flight. If the window is full, it waits until half of it is free, so that one wake-up
    // serves many. A broker that acknowledges in another order only causes further waits.
    private async ValueTask SettleAsync(IMqttLink link, int most, CancellationToken cancel)
    {
        Settle();
        while (_inFlight.Count > most)
        {
            await InTimeAsync(link.FlushAsync(), cancel).ConfigureAwait(false);
            MqttDelivery far = LastUnsettled(_inFlight.Count - (most / 2));
            await far.SettledAsync().WaitAsync(_patience, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancel.ThrowIfCancellationRequested();
            if (!Settle() && !far.IsSettled)
            {
                throw new TimeoutException();
            }
        }
    }

    // The last unsettled one among this many oldest messages in flight. The oldest is always unsettled: Settle has removed the others.
    private MqttDelivery LastUnsettled(int count)
    {
        MqttDelivery last = _inFlight.Peek();
        foreach (MqttDelivery delivery in _inFlight)
        {
            if (count-- == 0)
            {
                break;
            }

            last = delivery.IsSettled ? last : delivery;
        }

        return last;
    }

    // Removes the oldest messages as far as they are settled. All messages before them are settled too.
    private bool Settle()
    {
        MqttMessage? delivered = null;
        bool isAny = false;
        while (_inFlight.TryPeek(out MqttDelivery? oldest) && oldest.IsSettled)
        {
            if (oldest.IsDelivered)
            {
                Delivered++;
            }
            else if (oldest.Failure is MqttRefusedException refusal)
            {
                if (_refusedTopics.Add(oldest.Message.Topic))
                {
                    string topic = oldest.Message.Topic;
                    _log.LogError("The broker refuses messages on '{Topic}': {Reason} These messages are dropped", topic, refusal.Message);
                }
            }
            else
            {
                break;
            }

            MqttDelivery settled = _inFlight.Dequeue();
            Debug.Assert(ReferenceEquals(settled, oldest), "Messages leave the window in the order in which they were sent.");
            Confirm(oldest.Message);
            delivered = oldest.Message.QualityOfService > 0 ? oldest.Message : delivered;
            isAny = true;
        }

        if (delivered is not null)
        {
            _outbox.Delivered(delivered);
        }

        return _inFlight.TryPeek(out MqttDelivery? lost) && lost.Failure is { } failure ? throw failure : isAny;
    }

    private async ValueTask InTimeAsync(ValueTask sent, CancellationToken cancel)
    {
        if (!sent.IsCompletedSuccessfully)
        {
            await sent.AsTask().WaitAsync(_patience, cancel).ConfigureAwait(false);
        }
    }

    // QoS 0 has no acknowledgment. But one connection keeps the order, so an acknowledgment also covers what was sent before it.
    private void Confirm(MqttMessage message)
    {
        if (message.Retain)
        {
            _retained[message.Topic] = message;
        }

        if (message.QualityOfService > 0)
        {
            _unconfirmed.Clear();
        }
        else if (_unconfirmed.Count < UnconfirmedMax)
        {
            _unconfirmed.Add(message);
        }
    }

    private void KeepUnacknowledged()
    {
        var again = new Queue<MqttMessage>(_unconfirmed);
        foreach (MqttDelivery delivery in _inFlight)
        {
            if (delivery.Message.QualityOfService == 0 || !delivery.IsDelivered)
            {
                again.Enqueue(delivery.Message);
            }
        }

        foreach (MqttMessage message in _again)
        {
            again.Enqueue(message);
        }

        _again = again;
        _unconfirmed.Clear();
        _inFlight.Clear();
    }
}
