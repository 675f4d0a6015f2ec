using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;
using Edge.Inference;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Commits ticks: stores each tick's rows and messages as one record, then adds the messages to the outbox. Now and then it stores the
/// state of the stream as well. Without a store it only adds the messages.
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
    private readonly ConcurrentDictionary<string, SnapshotSchedule> _schedules = new();
    private readonly Func<SnapshotSchedule> _newSchedule;
    private readonly Channel<Tick> _queued = Channel.CreateBounded<Tick>(new BoundedChannelOptions(QueuedMax) { SingleReader = true });
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="store">Stores ticks; null for none.</param>
    /// <param name="outbox">Takes the messages.</param>
    /// <param name="sources">Description of each stream's source.</param>
    /// <param name="clock">Time from one snapshot to the next.</param>
    /// <param name="log">What goes wrong.</param>
    internal TickCommitter(
        StateStore? store, Outbox outbox, IReadOnlyDictionary<string, string> sources, TimeProvider clock, ILogger log)
    {
        _newSchedule = () => new SnapshotSchedule(clock);
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
    internal async ValueTask CommitAsync(
        SensorStream stream, TickRows rows, IReadOnlyList<MqttMessage> messages, bool canWait, CancellationToken cancel)
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

        CommittedRows committed = rows.ToCommitted();
        if (canWait)
        {
            await _outbox.WaitForRoomAsync(cancel).ConfigureAwait(false);
            Keep(new Tick(stream.Name, stream.Seq, committed, Snapshot(stream, committed, messages), messages));
            return;
        }

        await _queued.Writer
            .WriteAsync(new Tick(stream.Name, stream.Seq, committed, Snapshot(stream, committed, messages), [.. messages]), cancel)
            .ConfigureAwait(false);
    }

    /// <summary>
    /// Stores the state of a stream that has ended, so that the next start need not step its rows again. Call it after
    /// <see cref="CompleteAsync"/>. A stream that a fault ended within a tick is left as its rows say.
    /// </summary>
    internal void StoreState(SensorStream stream)
    {
        if (_store is null || !_ended.Task.IsCompleted)
        {
            return;
        }

        lock (_gate)
        {
            if (stream.Seq > 0 && _lastSeq.GetValueOrDefault(stream.Name) == stream.Seq)
            {
                _store.Commit(stream.Name, stream.Seq, stream.Save(), _sources[stream.Name], []);
            }
        }
    }

    // The state to store after these rows, or null if it is not yet time. Called by the loop of the stream, between two ticks.
    private byte[]? Snapshot(SensorStream stream, CommittedRows rows, IReadOnlyList<MqttMessage> messages)
    {
        SnapshotSchedule schedule = _schedules.GetOrAdd(stream.Name, static (_, create) => create(), _newSchedule);
        if (!schedule.IsDue(rows, messages) && !(rows.Count > 0 && _store!.NeedsSnapshot(stream.Name)))
        {
            return null;
        }

        byte[] snapshot = stream.Save();
        schedule.Saved(snapshot.Length);
        return snapshot;
    }

    /// <summary>Waits until all queued ticks are committed, so that the store holds the last tick.</summary>
    /// <exception cref="InputException">The disk does not answer.</exception>
    internal void Flush()
    {
        var flushed = new Tick("", 0, null!, null, []) { Flushed = new ManualResetEventSlim() };
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
                    Keep(tick);
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

    private void Keep(Tick tick)
    {
        // Ids are assigned and queued in the same order, so that one id stands for all messages before it.
        lock (_gate)
        {
            NoteSeq(tick.Stream, tick.Seq);
            bool isStored = _store!.Append(tick.Stream, tick.Rows, tick.Messages);
            if (isStored)
            {
                _outbox.AddStored(tick.Messages);
            }

            if (tick.Snapshot is { } snapshot)
            {
                _store.Commit(tick.Stream, tick.Seq, snapshot, _sources[tick.Stream], []);
            }

            if (isStored)
            {
                return;
            }
        }

        // The disk refuses the tick: deliver its messages from memory.
        foreach (MqttMessage message in tick.Messages)
        {
            _outbox.Enqueue(message);
        }
    }

    private void NoteSeq(string stream, long seq)
    {
        Debug.Assert(seq >= _lastSeq.GetValueOrDefault(stream), $"{stream}: tick {seq} is committed after a later one.");
        _lastSeq[stream] = seq;
    }

    private sealed record Tick(string Stream, long Seq, CommittedRows Rows, byte[]? Snapshot, IReadOnlyList<MqttMessage> Messages)
    {
        /// <summary>A marker, not a tick: its owner waits for all ticks before it.</summary>
        internal ManualResetEventSlim? Flushed { get; init; }
    }
}
