using System.Threading.Channels;
using Edge.Inference;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Takes ticks off the streams' hands: to the store as one, then on their way; without a store straight on their way. A source that can wait waits for its tick;
/// those of the others are kept by a thread of this, in order, so that a disk that stalls holds none of them up.
/// </summary>
internal sealed class TickCommitter : IDisposable
{
    // Ticks that a stalled disk may owe; then even a live stream waits.
    private const int OwedMax = 2048;

    // Longest wait for a disk where somebody cannot go on without it.
    private static readonly TimeSpan DiskWait = TimeSpan.FromSeconds(2);

    private readonly StateStore? _store;
    private readonly Outbox _outbox;
    private readonly IReadOnlyDictionary<string, string> _sources;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly Channel<Tick> _owed = Channel.CreateBounded<Tick>(new BoundedChannelOptions(OwedMax) { SingleReader = true });
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="store">What keeps ticks, or null.</param>
    /// <param name="outbox">Where messages go from there.</param>
    /// <param name="sources">What each stream reads, in words.</param>
    /// <param name="log">What goes wrong.</param>
    internal TickCommitter(StateStore? store, Outbox outbox, IReadOnlyDictionary<string, string> sources, ILogger log)
    {
        _store = store;
        _outbox = outbox;
        _sources = sources;
        _log = log;
        if (store is null)
        {
            _ended.SetResult();
            return;
        }

        new Thread(KeepOwed) { IsBackground = true, Name = "ticks to disk" }.Start();
    }

    /// <summary>The <see cref="CommitAction"/> of all streams.</summary>
    internal async ValueTask CommitAsync(SensorStream stream, IReadOnlyList<MqttMessage> messages, bool canWait, CancellationToken cancel)
    {
        if (_store is null)
        {
            if (canWait)
            {
                await _outbox.EnqueueAsync(messages, cancel).ConfigureAwait(false);
                return;
            }

            foreach (MqttMessage message in messages)
            {
                _outbox.Enqueue(message);
            }

            return;
        }

        if (canWait)
        {
            await _outbox.WaitForRoomAsync(cancel).ConfigureAwait(false);
            Keep(stream.Name, stream.Seq, stream.Save(), messages);
            return;
        }

        await _owed.Writer.WriteAsync(new Tick(stream.Name, stream.Seq, stream.Save(), [.. messages]), cancel).ConfigureAwait(false);
    }

    /// <summary>Waits until what was owed is kept: whoever reads the store reads the last tick.</summary>
    /// <exception cref="InputException">The disk does not answer.</exception>
    internal void Flush()
    {
        var flushed = new Tick("", 0, [], []) { Flushed = new ManualResetEventSlim() };
        if (!_ended.Task.IsCompleted && (!_owed.Writer.TryWrite(flushed) || !flushed.Flushed.Wait(DiskWait)))
        {
            throw new InputException($"State '{_store!.Path}' does not answer: the disk is stalled. Try again once it answers; if it never does, replace it.");
        }
    }

    /// <summary>Keeps what is still owed; nothing comes any more.</summary>
    internal async Task CompleteAsync()
    {
        _owed.Writer.TryComplete();
        if (await Task.WhenAny(_ended.Task, Task.Delay(DiskWait)).ConfigureAwait(false) != _ended.Task)
        {
            _log.LogError("State '{Path}' does not answer: the disk is stalled, and the last ticks may be lost", _store!.Path);
        }
    }

    public void Dispose() => _owed.Writer.TryComplete();

    private void KeepOwed()
    {
        while (_owed.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (_owed.Reader.TryRead(out Tick? tick))
            {
                if (tick.Flushed is { } flushed)
                {
                    flushed.Set();
                    continue;
                }

                try
                {
                    Keep(tick.Stream, tick.Seq, tick.Snapshot, tick.Messages);
                }
                catch (Exception e)
                {
                    _log.LogError("{Stream}: tick {Seq} could not be kept: a bug of ours ({Kind}): {Message}", tick.Stream, tick.Seq, e.GetType().Name, e.Message);
                }
            }
        }

        _ended.SetResult();
    }

    private void Keep(string stream, long seq, byte[] snapshot, IReadOnlyList<MqttMessage> messages)
    {
        // Ids are handed out and queued in the same order: what is delivered up to one of them is delivered.
        lock (_gate)
        {
            if (_store!.Commit(stream, seq, snapshot, _sources[stream], messages))
            {
                _outbox.AddStored(messages);
                return;
            }
        }

        // The disk refuses: what can still be delivered is.
        foreach (MqttMessage message in messages)
        {
            _outbox.Enqueue(message);
        }
    }

    private sealed record Tick(string Stream, long Seq, byte[] Snapshot, IReadOnlyList<MqttMessage> Messages)
    {
        /// <summary>Where somebody waits for all before it, and this is no tick.</summary>
        internal ManualResetEventSlim? Flushed { get; init; }
    }
}
