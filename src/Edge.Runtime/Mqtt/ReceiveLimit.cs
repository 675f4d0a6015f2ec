namespace Edge.Runtime.Mqtt;

/// <summary>
/// Limits the messages that have arrived and are not processed yet: MQTTnet queues them without a limit. Beyond it a message of QoS 0 is
/// dropped and counted. One of QoS 1 makes the connection wait, so that the broker keeps the others.
/// </summary>
internal sealed class ReceiveLimit
{
    /// <summary>Most messages.</summary>
    internal const int CountMax = 1000;

    /// <summary>Most bytes of payload; one message always fits.</summary>
    internal const long BytesMax = 8 << 20;

    private readonly Lock _gate = new();
    private int _count;
    private long _bytes;
    private long _dropped;
    private TaskCompletionSource? _room;

    /// <summary>Messages of QoS 0 that were dropped.</summary>
    internal long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Whether the connection waits, and so does not read what the broker sends.</summary>
    internal bool IsFull { get; private set; }

    /// <summary>Takes in a message, or waits until there is room for it.</summary>
    /// <returns>False if it is dropped.</returns>
    internal async ValueTask<bool> AddAsync(long bytes, bool canWait, CancellationToken cancel)
    {
        while (true)
        {
            Task room;
            lock (_gate)
            {
                if (_count == 0 || (_count < CountMax && _bytes + bytes <= BytesMax))
                {
                    _count++;
                    _bytes += bytes;
                    IsFull = false;
                    return true;
                }

                if (!canWait)
                {
                    Interlocked.Increment(ref _dropped);
                    return false;
                }

                IsFull = true;
                _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                room = _room.Task;
            }

            await room.WaitAsync(cancel).ConfigureAwait(false);
        }
    }

    /// <summary>A message was processed.</summary>
    internal void Remove(long bytes)
    {
        lock (_gate)
        {
            _count--;
            _bytes -= bytes;
            _room?.TrySetResult();
            _room = null;
        }
    }
}
