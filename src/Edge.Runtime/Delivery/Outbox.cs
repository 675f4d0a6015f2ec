using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Messages on their way to the broker, in order, bounded. Without room, a source that can wait is held up; for one that
/// cannot, the oldest readings go first, forecasts next, events last. With a store, the messages are on disk already when they come
/// here, and this holds the next of them only; what has been delivered is forgotten there too.
/// </summary>
internal sealed class Outbox
{
    // What a source that can wait may be ahead of the broker; with a store, what is held of it.
    private const int AheadMax = 1024;

    // A store's batch is let in while there is so much room that it is held whole: what is not held must be read back. Whoever waits for
    // room is woken when there is much of it, not for each message that leaves.
    private const int AheadForBatch = AheadMax / 2;
    private const int AheadForWaiting = AheadMax / 4;

    private readonly long _sizeMaxBytes;
    private readonly StateStore? _store;
    private long _lastId;
    private bool _isMoreStored;

    private readonly Lock _gate = new();
    private readonly Queue<(long Order, MqttMessage Message)>[] _queues = [new(), new(), new()];
    private readonly long[] _dropped = new long[3];
    private TaskCompletionSource? _more;
    private TaskCompletionSource? _room;
    private long _order;
    private long _bytes;
    private int _count;
    private bool _isComplete;

    internal Outbox(long sizeMaxBytes, StateStore? store = null)
    {
        _sizeMaxBytes = sizeMaxBytes;
        _store = store;
        _isMoreStored = store is { OutboxCount: > 0 };
    }

    /// <summary>Messages waiting.</summary>
    internal int Count
    {
        get
        {
            lock (_gate)
            {
                return _isMoreStored ? (int)Math.Min(int.MaxValue, _store!.OutboxCount) : _count;
            }
        }
    }

    /// <summary>Messages given up for want of room, by class.</summary>
    internal long[] Dropped => _store is null ? _dropped : [.. _dropped.Zip(_store.GivenUp, (memory, stored) => memory + stored)];

    /// <summary>Adds the messages of a source that can wait, in order, each once there is room for it.</summary>
    internal async ValueTask EnqueueAsync(IReadOnlyList<MqttMessage> messages, CancellationToken cancel)
    {
        for (int next = 0; ;)
        {
            Task room;
            lock (_gate)
            {
                while (next < messages.Count && HasRoom(messages[next].Payload.Length))
                {
                    Add(messages[next++]);
                }

                Wake(ref _more);
                if (next == messages.Count)
                {
                    return;
                }

                room = Awaited(ref _room);
            }

            await room.WaitAsync(cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Adds a message of who cannot wait; what is given up for it is counted.</summary>
    internal void Enqueue(MqttMessage message)
    {
        lock (_gate)
        {
            MakeRoom(message.Payload.Length);
            Add(message);
            Wake(ref _more);
        }
    }

    /// <summary>Waits until a source that can wait may go on.</summary>
    internal async ValueTask WaitForRoomAsync(CancellationToken cancel)
    {
        while (true)
        {
            Task room;
            lock (_gate)
            {
                if (!_isMoreStored && _count < AheadForBatch)
                {
                    return;
                }

                room = Awaited(ref _room);
            }

            await room.WaitAsync(cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Takes on messages that the store has, as far as there is room; the others are fetched when their turn comes.</summary>
    internal void AddStored(IReadOnlyList<MqttMessage> messages)
    {
        lock (_gate)
        {
            foreach (MqttMessage message in messages)
            {
                if (_isMoreStored || _count >= AheadMax)
                {
                    _isMoreStored = true;
                    break;
                }

                // Fetched already, between its commit and now.
                if (message.Id > _lastId)
                {
                    Hold(message);
                }
            }

            if (_count > 0 || _isMoreStored)
            {
                Wake(ref _more);
            }
        }

        long sizeMax = Math.Min(_sizeMaxBytes, _store!.SizeLimit);
        if (_store.OutboxBytes > sizeMax)
        {
            _store.Evict(sizeMax);
        }
    }

    /// <summary>Says that a message needs no keeping any more.</summary>
    internal void Delivered(MqttMessage message)
    {
        if (message.Id > 0)
        {
            _store?.Delivered(message.Id);
        }
    }

    /// <summary>Takes the oldest message.</summary>
    /// <returns>False if there is none now.</returns>
    internal bool TryDequeue(out MqttMessage? message)
    {
        lock (_gate)
        {
            message = null;
            if (_count == 0 && !Fetch())
            {
                return false;
            }

            message = Take(Oldest());
            return true;
        }
    }

    /// <summary>Waits until there is a message.</summary>
    /// <returns>False when there will be none any more.</returns>
    internal async ValueTask<bool> WaitAsync(CancellationToken cancel)
    {
        while (true)
        {
            Task more;
            lock (_gate)
            {
                if (_count > 0 || _isMoreStored || _isComplete)
                {
                    return _count > 0 || _isMoreStored;
                }

                more = Awaited(ref _more);
            }

            await more.WaitAsync(cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Says that no more will come.</summary>
    internal void Complete()
    {
        lock (_gate)
        {
            _isComplete = true;
            Wake(ref _more);
        }
    }

    // The next messages from the store, if it has more.
    private bool Fetch()
    {
        while (_isMoreStored && _count == 0)
        {
            (List<MqttMessage> next, long last) = _store!.Read(_lastId, AheadMax);
            next.ForEach(Hold);
            _lastId = Math.Max(_lastId, last);
            if (last == 0)
            {
                // Wakes the producers that wait for room: while the store has more, there is none.
                _isMoreStored = false;
                Wake(ref _room);
            }
        }

        return _count > 0;
    }

    private void Hold(MqttMessage message)
    {
        Add(message);
        _lastId = message.Id;
    }

    private void Add(MqttMessage message)
    {
        _queues[(int)message.Class].Enqueue((_order++, message));
        _bytes += message.Payload.Length;
        _count++;
    }

    // One message always fits: one larger than the outbox must pass too.
    private bool HasRoom(int bytes) => (_count < AheadMax && _bytes + bytes <= _sizeMaxBytes) || _count == 0;

    // The queue whose head has waited longest; there is one.
    private Queue<(long Order, MqttMessage Message)> Oldest()
    {
        Queue<(long Order, MqttMessage Message)>? oldest = null;
        foreach (Queue<(long Order, MqttMessage Message)> queue in _queues)
        {
            if (queue.Count > 0 && (oldest is null || queue.Peek().Order < oldest.Peek().Order))
            {
                oldest = queue;
            }
        }

        return oldest!;
    }

    private void MakeRoom(int bytes)
    {
        for (int i = 0; i < _queues.Length; i++)
        {
            while (_bytes + bytes > _sizeMaxBytes && _queues[i].Count > 0)
            {
                Take(_queues[i]);
                _dropped[i]++;
            }
        }
    }

    private MqttMessage Take(Queue<(long Order, MqttMessage Message)> queue)
    {
        MqttMessage message = queue.Dequeue().Message;
        _bytes -= message.Payload.Length;
        _count--;
        if (_count <= AheadForWaiting && !_isMoreStored)
        {
            Wake(ref _room);
        }

        return message;
    }

    // A signal is made by whoever waits for it: where nobody waits, a message that comes or goes costs none. Called with the gate held.
    private static Task Awaited(ref TaskCompletionSource? signal) =>
        (signal ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    private static void Wake(ref TaskCompletionSource? signal)
    {
        signal?.TrySetResult();
        signal = null;
    }
}
