using System.Diagnostics;
using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Messages that wait for the broker, in order, with a limit on their size. If it is full, a source that can wait waits. For other sources
/// the oldest readings are evicted first, forecasts next, events last. With a store, messages are on disk before they come here,
/// and only the next ones are held in memory.
/// </summary>
/// <remarks>
/// Threads: producers are the stream loops and the thread "ticks to disk" (both through <see cref="TickCommitter"/>), command answers,
/// and the thread of the MQTT link. The only consumer is the loop of the <see cref="Publisher"/>.
/// The lock guards the queues, the counts and the two signals. It is held for memory operations and while the next messages are
/// read from the store, never while anything waits. The store has its own lock, which is taken inside this one.
/// A signal completes its waiting thread asynchronously, so no foreign code runs under the lock.
/// Promised order: <see cref="TryDequeue"/> returns messages in the order in which they were added; those of the store have ascending
/// ids. Eviction removes from the old end of one class and keeps the order of the rest.
/// <see cref="Delivered"/> is called only for messages that were taken out, so one id stands for all messages before it.
/// </remarks>
internal sealed class Outbox
{
    // How far a source that can wait may run ahead of the broker; with a store, how much of it is in memory.
    private const int AheadMax = 1024;

    // A committed batch is accepted while there is space to hold all of it: the rest must be read back from the store. Producers that wait
    // for space are woken when there is much of it, not for each message that leaves.
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

    /// <summary>For how long the oldest message has waited; zero if none waits, or without a store.</summary>
    internal TimeSpan Age => Count == 0 ? TimeSpan.Zero : _store?.OutboxAge() ?? TimeSpan.Zero;

    /// <summary>Messages evicted because the outbox was full, by class.</summary>
    internal long[] Dropped => _store is null ? _dropped : [.. _dropped.Zip(_store.Evicted, (memory, stored) => memory + stored)];

    /// <summary>Adds the messages of a source that can wait, in order, each when there is space for it.</summary>
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

    /// <summary>Adds a message of a source that cannot wait. Messages evicted for it are counted.</summary>
    internal void Enqueue(MqttMessage message)
    {
        lock (_gate)
        {
            MakeRoom(message.Payload.Length);
            Add(message);
            Wake(ref _more);
        }
    }

    /// <summary>Waits until a source that can wait may continue.</summary>
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

    /// <summary>
    /// Adds messages that the store has committed, as far as there is space. The others are read from the store when their turn comes.
    /// </summary>
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

                // Already read from the store, between its commit and now.
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

    /// <summary>Marks a message as delivered, so that the store can delete it.</summary>
    internal void Delivered(MqttMessage message)
    {
        if (message.Id > 0)
        {
            Debug.Assert(message.Id <= Volatile.Read(ref _lastId), $"Message {message.Id} is acknowledged, but was never taken from here.");
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

    /// <summary>Completes the outbox: no message will be added.</summary>
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
                // Wakes the producers that wait for free space. While the store has more messages, there is none.
                _isMoreStored = false;
                Wake(ref _room);
            }
        }

        return _count > 0;
    }

    private void Hold(MqttMessage message)
    {
        Debug.Assert(message.Id > _lastId, $"Message {message.Id} comes after message {_lastId}.");
        Add(message);
        _lastId = message.Id;
    }

    private void Add(MqttMessage message)
    {
        _queues[(int)message.Class].Enqueue((_order++, message));
        _bytes += message.Payload.Length;
        _count++;
    }

    // One message always fits, so that one larger than the outbox can pass.
    private bool HasRoom(int bytes) => (_count < AheadMax && _bytes + bytes <= _sizeMaxBytes) || _count == 0;

    // The queue with the oldest message; there is one.
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

    // The waiting thread creates the signal: if no thread waits, a message costs no signal. Called with the gate held.
    private static Task Awaited(ref TaskCompletionSource? signal) =>
        (signal ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    private static void Wake(ref TaskCompletionSource? signal)
    {
        signal?.TrySetResult();
        signal = null;
    }
}
