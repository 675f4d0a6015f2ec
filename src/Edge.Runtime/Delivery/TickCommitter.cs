using System.Diagnostics;
using System.Threading.Channels;
using Edge.Inference;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Commits ticks: stores each tick's state and messages as one transaction, then adds the messages to the outbox. Without a store
/// it only adds the messages.
/// </summary>
/// <remarks>
/// Threads: <see cref="CommitAsync"/> is called by the loops of all streams, several at once, each for its own stream.
/// A stream whose source can wait commits on its own thread. The ticks of all other streams go through a bounded queue to one thread,
/// "ticks to disk", so that a stalled disk does not block a live source. <see cref="Flush"/> may be called by any thread.
/// The lock is held from the commit until the messages are in the outbox. It therefore guards the order: messages enter the outbox in
/// the order of their ids. Locks are taken in the order TickCommitter, Outbox, StateStore, and never in reverse.
/// Promised order: the ticks of one stream are committed with ascending <c>seq</c>, and no message of a tick is sent before
/// the tick is committed. Only if the disk refuses the tick do its messages go to the outbox from memory.
/// </remarks>
internal sealed class TickCommitter : IDisposable
{
    // Ticks that may wait for a stalled disk; beyond it even a live stream waits.
    private const int QueuedMax = 2048;

    // Longest wait for a disk where the caller needs the result.
    private static readonly TimeSpan DiskWait = TimeSpan.FromSeconds(2);

    private readonly StateStore? _store;
    private readonly Outbox _outbox;
    private readonly IReadOnlyDictionary<string, string> _sources;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, long> _lastSeq = [];
    private readonly Channel<Tick> _queued = Channel.CreateBounded<Tick>(new BoundedChannelOptions(QueuedMax) { SingleReader = true });
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="store">Stores ticks; null for none.</param>
    /// <param name="outbox">Takes the messages.</param>
    /// <param name="sources">Description of each stream's source.</param>
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

        new Thread(StoreQueued) { IsBackground = true, Name = "ticks to disk" }.Start();
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

        await _queued.Writer.WriteAsync(new Tick(stream.Name, stream.Seq, stream.Save(), [.. messages]), cancel).ConfigureAwait(false);
    }

    /// <summary>Waits until all queued ticks are committed, so that the store holds the last tick.</summary>
    /// <exception cref="InputException">The disk does not answer.</exception>
    internal void Flush()
    {
        var flushed = new Tick("", 0, [], []) { Flushed = new ManualResetEventSlim() };
        if (!_ended.Task.IsCompleted && (!_queued.Writer.TryWrite(flushed) || !flushed.Flushed.Wait(DiskWait)))
        {
            throw new InputException(
                $"State '{_store!.Path}' does not answer: the disk is stalled. Try again later. If it never answers, replace the disk.");
        }
    }

    /// <summary>Commits the queued ticks and accepts no more.</summary>
    internal async Task CompleteAsync()
    {
        _queued.Writer.TryComplete();
        if (await Task.WhenAny(_ended.Task, Task.Delay(DiskWait)).ConfigureAwait(false) != _ended.Task)
        {
            _log.LogError("State '{Path}' does not answer: the disk is stalled, and the last ticks may be lost", _store!.Path);
        }
    }

    public void Dispose() => _queued.Writer.TryComplete();

    private void StoreQueued()
    {
        while (_queued.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (_queued.Reader.TryRead(out Tick? tick))
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
                    _log.LogError(
                        "A bug in edge-runtime: {Stream}: tick {Seq} could not be stored ({Kind}): {Message}",
                        tick.Stream,
                        tick.Seq,
                        e.GetType().Name,
                        e.Message);
                }
            }
        }

        _ended.SetResult();
    }

    private void Keep(string stream, long seq, byte[] snapshot, IReadOnlyList<MqttMessage> messages)
    {
        // Ids are assigned and queued in the same order, so that one id stands for all messages before it.
        lock (_gate)
        {
            AssertAscending(stream, seq);
            if (_store!.Commit(stream, seq, snapshot, _sources[stream], messages))
            {
                _outbox.AddStored(messages);
                return;
            }
        }

        // The disk refuses the tick: deliver its messages from memory.
        foreach (MqttMessage message in messages)
        {
            _outbox.Enqueue(message);
        }
    }

    [Conditional("DEBUG")]
    private void AssertAscending(string stream, long seq)
    {
        Debug.Assert(seq >= _lastSeq.GetValueOrDefault(stream), $"{stream}: tick {seq} is committed after a later one.");
        _lastSeq[stream] = seq;
    }

    private sealed record Tick(string Stream, long Seq, byte[] Snapshot, IReadOnlyList<MqttMessage> Messages)
    {
        /// <summary>A marker, not a tick: its owner waits for all ticks before it.</summary>
        internal ManualResetEventSlim? Flushed { get; init; }
    }
}
