using Edge.Runtime.Mqtt;

namespace Edge.Runtime.Publishing;

/// <summary>
/// Messages on their way to the broker, in order, bounded. Without room, a source that can wait is held up; for one that
/// cannot, the oldest readings go first, forecasts next, events last.
/// </summary>
internal sealed class Outbox(long sizeMaxBytes)
{
    // What a source that can wait may be ahead of the broker.
    private const int AheadMax = 1024;

    private readonly Lock _gate = new();
    private readonly Queue<(long Order, MqttMessage Message)>[] _queues = [new(), new(), new()];
    private TaskCompletionSource _changed = NewSignal();
    private long _order;
    private long _bytes;
    private int _count;
    private bool _isComplete;

    /// <summary>Messages waiting.</summary>
    internal int Count
    {
        get
        {
            lock (_gate)
            {
                return _count;
            }
        }
    }

    /// <summary>Messages given up for want of room, by class.</summary>
    internal long[] Dropped { get; } = new long[3];

    /// <summary>Adds a message, waiting for room first if the source can wait.</summary>
    internal async ValueTask EnqueueAsync(MqttMessage message, bool canWait, CancellationToken cancel)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (!canWait || (_count < AheadMax && _bytes + message.Payload.Length <= sizeMaxBytes) || _count == 0)
                {
                    MakeRoom(message.Payload.Length);
                    _queues[(int)message.Class].Enqueue((_order++, message));
                    _bytes += message.Payload.Length;
                    _count++;
                    Signal();
                    return;
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Takes the oldest message.</summary>
    /// <returns>False if there is none now.</returns>
    internal bool TryDequeue(out MqttMessage? message)
    {
        lock (_gate)
        {
            message = null;
            if (_count == 0)
            {
                return false;
            }

            message = Take(Oldest());
            Signal();
            return true;
        }
    }

    /// <summary>Waits until there is a message.</summary>
    /// <returns>False when there will be none any more.</returns>
    internal async ValueTask<bool> WaitAsync(CancellationToken cancel)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_count > 0 || _isComplete)
                {
                    return _count > 0;
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Says that no more will come.</summary>
    internal void Complete()
    {
        lock (_gate)
        {
            _isComplete = true;
            Signal();
        }
    }

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
            while (_bytes + bytes > sizeMaxBytes && _queues[i].Count > 0)
            {
                Take(_queues[i]);
                Dropped[i]++;
            }
        }
    }

    private MqttMessage Take(Queue<(long Order, MqttMessage Message)> queue)
    {
        MqttMessage message = queue.Dequeue().Message;
        _bytes -= message.Payload.Length;
        _count--;
        return message;
    }

    private void Signal()
    {
        TaskCompletionSource signal = _changed;
        _changed = NewSignal();
        signal.TrySetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
