using System.Diagnostics;
using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Delivery;

/// <summary>The messages in flight: sent, settled in their order, and sent again after a lost connection.</summary>
internal sealed partial class Publisher
{
    private const int WindowMax = 256;

    // How long a sender waits for further acknowledgments once one has come, so that one wake-up serves many. A broker with Nagle's
    // algorithm, the default of mosquitto, writes one and keeps the others until TCP has acknowledged it: that takes 40 ms, unless
    // something is sent meanwhile.
    private static readonly TimeSpan GatherTime = TimeSpan.FromMilliseconds(1);

    // In a smaller window, one free place is used at once: mosquitto allows 20 by default.
    private const int SmallWindow = 64;

    // Messages of QoS 0 that are sent again after a lost connection, if nothing after them was acknowledged.
    private const int UnconfirmedMax = 1024;

    private static readonly MqttRefusedException BarredMessage = new("it ended the connection before.");

    // Hands a message to the link. It stays in flight until it is acknowledged, so that a lost connection loses nothing.
    private async ValueTask SendAsync(IMqttLink link, MqttMessage message, int window, CancellationToken cancel)
    {
        message = message.Retain && _announcements.Retained?.Contains(message.Topic) == false ? message with { Retain = false } : message;

        // One at a time, each acknowledged, while the message to blame for lost connections is searched.
        bool isSearching = _blamed.IsSearching;
        window = isSearching ? 1 : window;
        var delivery = new MqttDelivery(isSearching ? message with { QualityOfService = 1 } : message);
        _inFlight.Enqueue(delivery);
        if (_blamed.IsBarred(message))
        {
            // Settled in its place, so that the order of the acknowledgments stays.
            delivery.Settle(BarredMessage);
            return;
        }

        await InTimeAsync(link.SendAsync(delivery), cancel).ConfigureAwait(false);
        if (_inFlight.Count >= window)
        {
            await SettleAsync(link, window - 1, cancel).ConfigureAwait(false);
        }
    }

    // Waits until at most this many messages are in flight. If a large window is full, it waits until half of it is free, but not for
    // long. A broker that acknowledges in another order only causes further waits.
    private async ValueTask SettleAsync(IMqttLink link, int most, CancellationToken cancel)
    {
        Settle();
        while (_inFlight.Count > most)
        {
            await InTimeAsync(link.FlushAsync(), cancel).ConfigureAwait(false);
            if (!await SettlesAsync(_inFlight.Peek(), _patience, cancel).ConfigureAwait(false))
            {
                throw new TimeoutException();
            }

            if (most >= SmallWindow)
            {
                await SettlesAsync(LastUnsettled(_inFlight.Count - (most / 2)), GatherTime, cancel).ConfigureAwait(false);
            }

            Settle();
        }
    }

    private static async ValueTask<bool> SettlesAsync(MqttDelivery delivery, TimeSpan patience, CancellationToken cancel)
    {
        if (!delivery.IsSettled)
        {
            await delivery.SettledAsync().WaitAsync(patience, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancel.ThrowIfCancellationRequested();
        }

        return delivery.IsSettled;
    }

    // The last unsettled one among this many oldest messages in flight, or the oldest if all are settled.
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
        // A message that is not stored, such as one of a stream's end, covers the stored ones before it, too.
        MqttMessage? delivered = null;
        bool isAcknowledged = false;
        bool isAny = false;
        while (_inFlight.TryPeek(out MqttDelivery? oldest) && oldest.IsSettled)
        {
            if (oldest.IsDelivered)
            {
                Delivered++;
            }
            else if (oldest.Failure is MqttRefusedException refusal)
            {
                NoteRefusal(oldest.Message, refusal.Message);
            }
            else
            {
                break;
            }

            MqttDelivery settled = _inFlight.Dequeue();
            Debug.Assert(ReferenceEquals(settled, oldest), "Messages leave the window in the order in which they were sent.");
            Confirm(oldest.Message);
            delivered = oldest.Message.QualityOfService > 0 ? _lastStored : delivered;
            isAcknowledged |= oldest.Message.QualityOfService > 0;
            isAny = true;
        }

        if (isAcknowledged)
        {
            _blamed.NoteProgress();
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
        _lastStored = message.Id > 0 ? message : _lastStored;
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
        _lastStored = null;
        _unconfirmed.Clear();
        _inFlight.Clear();
    }
}
