using System.Diagnostics;
using Edge.Cluster.Broker;
using Edge.Cluster.Pipeline;
using Edge.Cluster.Storage;
using Edge.Inference;
using Edge.Runtime;
using Edge.Runtime.Mqtt;
using Microsoft.Extensions.Logging;

namespace Edge.Cluster.Workers;

/// <summary>
/// One partition of a worker. Waits in line; when rows come it is this worker's turn: it takes the partition, then works batch after
/// batch: step, commit, publish, acknowledge. After anything goes wrong it forgets all and begins again from what is committed.
/// </summary>
internal sealed class PartitionLoop : IDisposable
{
    // Published messages are forgotten with the next commit, or after this time without rows.
    private static readonly TimeSpan ForgetAfter = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan EvictAfter = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RetryMin = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan RetryMax = TimeSpan.FromSeconds(10);

    private readonly int _partition;
    private readonly WorkerParts _parts;
    private readonly PartitionPipeline _pipeline;
    private readonly Backoff _backoff;
    private readonly List<RowDelivery> _rows = [];
    private CancellationTokenSource _release = new();
    private long _epoch;
    private long _batch;
    private long _published;
    private long _forgotten;
    private long _waiting;
    private long _newestTicks;

    internal PartitionLoop(int partition, WorkerParts parts)
    {
        _partition = partition;
        _parts = parts;
        _pipeline = new PartitionPipeline(parts.Rules, parts.Database, parts.Budget, parts.Clock, parts.Log);
        _backoff = new Backoff(RetryMin, RetryMax, parts.Clock);
    }

    /// <summary>Whether this worker has taken the partition, and does not know of another that has.</summary>
    internal bool IsHeld => Volatile.Read(ref _epoch) != 0;

    internal int Partition => _partition;

    /// <summary>Rows at the broker that no worker has fetched yet, when they were counted last.</summary>
    internal long Waiting
    {
        get => Volatile.Read(ref _waiting);
        set => Volatile.Write(ref _waiting, value);
    }

    /// <summary>Time since the newest row that is committed was measured, 0 if that lies ahead; null if there is none.</summary>
    internal TimeSpan? RowAge => Volatile.Read(ref _newestTicks) is > 0 and var ticks
        ? TimeSpan.FromTicks(Math.Max(0, _parts.Clock.GetUtcNow().Ticks - ticks))
        : null;

    /// <summary>Gives the partition to the next in line after the current batch, and waits at the end of the line.</summary>
    internal void Release() => _release.Cancel();

    /// <summary>Runs until it is stopped, between two batches.</summary>
    internal async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await ServeAsync(stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (PartitionLostException e)
            {
                _parts.Metrics.Lost();
                _parts.Log.LogWarning("{What}; nothing of this batch is committed here", e.Message);
            }
            catch (Exception e) when (e is OutageException or InputException)
            {
                _parts.Metrics.Outage();
                _parts.SayOutage(e.Message);
                await PauseAsync(stop).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                _parts.Log.LogError("A bug in edge-cluster, please report it: partition {Partition}: {Exception}", _partition, e);
                await PauseAsync(stop).ConfigureAwait(false);
            }
            finally
            {
                _pipeline.Clear();
                _rows.Clear();
                Volatile.Write(ref _epoch, 0);
            }
        }
    }

    public void Dispose()
    {
        _pipeline.Dispose();
        _release.Dispose();
    }

    private async Task PauseAsync(CancellationToken stop)
    {
        try
        {
            await _backoff.WaitAsync(stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The loop ends.
        }
    }

    private async Task ServeAsync(CancellationToken stop)
    {
        if (_release.IsCancellationRequested)
        {
            _release.Dispose();
            _release = new CancellationTokenSource();
        }

        using var leave = CancellationTokenSource.CreateLinkedTokenSource(stop, _release.Token);
        await using ConfirmedPublisher publisher = await ConfirmedPublisher.OpenAsync(_parts.Link, stop).ConfigureAwait(false);
        await using PartitionConsumer consumer = await PartitionConsumer
            .OpenAsync(_parts.Link, _parts.Topology.Queue(_partition), stop)
            .ConfigureAwait(false);
        try
        {
            while (true)
            {
                await WaitAsync(consumer, leave.Token).ConfigureAwait(false);
                leave.Token.ThrowIfCancellationRequested();
                if (_epoch == 0)
                {
                    await TakeAsync(publisher).ConfigureAwait(false);
                }

                consumer.Take(_rows, _parts.Options.Batch);
                await RunBatchAsync(publisher).ConfigureAwait(false);
                await consumer.AcknowledgeAsync(_rows[^1].Tag, CancellationToken.None).ConfigureAwait(false);
                _rows.Clear();
                _backoff.Reset();
            }
        }
        catch (OperationCanceledException) when (_release.IsCancellationRequested && !stop.IsCancellationRequested)
        {
            _parts.Log.LogInformation("Partition {Partition} goes to another worker, so that all have about the same", _partition);
        }
    }

    private async Task WaitAsync(PartitionConsumer consumer, CancellationToken leave)
    {
        Task rows = consumer.WaitAsync(leave).AsTask();
        while (_epoch != 0 && !rows.IsCompleted && (_forgotten < _published || _pipeline.Streams.Count > 0))
        {
            using var waited = CancellationTokenSource.CreateLinkedTokenSource(leave);
            TimeSpan most = _forgotten < _published ? ForgetAfter : EvictAfter;
            await Task.WhenAny(rows, Task.Delay(most, _parts.Clock, waited.Token)).ConfigureAwait(false);
            await waited.CancelAsync().ConfigureAwait(false);
            if (!rows.IsCompleted && _forgotten < _published)
            {
                await _parts.Database.ForgetAsync(_partition, _published, leave).ConfigureAwait(false);
                _forgotten = _published;
            }

            _pipeline.Evict();
        }

        await rows.ConfigureAwait(false);
    }

    // What the worker before has committed may not be published: that goes first.
    private async Task TakeAsync(ConfirmedPublisher publisher)
    {
        TakenPartition taken = await _parts.Database
            .TakeAsync(_partition, _parts.Name, CancellationToken.None)
            .ConfigureAwait(false);
        foreach (byte[] block in taken.Unpublished)
        {
            await publisher.PublishAsync(MessageBlock.Read(block), CancellationToken.None).ConfigureAwait(false);
        }

        (_batch, _published, _forgotten) = (taken.Batch, taken.Batch, taken.Unpublished.Count > 0 ? 0 : taken.Batch);
        Waiting = 0;
        Volatile.Write(ref _newestTicks, taken.NewestRow.Ticks);
        Volatile.Write(ref _epoch, taken.Epoch);
        _parts.Metrics.Took();
        _parts.Log.LogInformation(
            "Partition {Partition} taken, epoch {Epoch}; {Batches} batches published again",
            _partition,
            taken.Epoch,
            taken.Unpublished.Count);
    }

    // One trace: the batch, and in it the three steps.
    private async Task RunBatchAsync(ConfirmedPublisher publisher)
    {
        using Activity? trace = WorkerMetrics.Traces.StartActivity("batch", ActivityKind.Consumer);
        trace?.SetTag("edge.partition", _partition).SetTag("edge.epoch", _epoch).SetTag("edge.rows", _rows.Count);
        try
        {
            long started = _parts.Clock.GetTimestamp();
            PartitionBatch batch = await StepAsync().ConfigureAwait(false);
            trace?.SetTag("edge.rows.repeated", batch.Duplicates).SetTag("edge.rows.refused", batch.Refused.Count)
                .SetTag("edge.streams", batch.States.Count).SetTag("edge.messages", batch.Messages.Count);
            long stepped = _parts.Clock.GetTimestamp();
            if (batch.Rows > 0)
            {
                await CommitAsync(batch).ConfigureAwait(false);
            }

            long committed = _parts.Clock.GetTimestamp();
            await PublishAsync(publisher, batch).ConfigureAwait(false);
            _parts.Metrics.Batch(
                batch.Rows,
                batch.Duplicates,
                batch.Refused.Count,
                batch.Messages.Count,
                _parts.Clock.GetElapsedTime(started, stepped),
                _parts.Clock.GetElapsedTime(stepped, committed),
                _parts.Clock.GetElapsedTime(committed));

            // A partition may have no row for long; until then it keeps nothing of this batch.
            batch.Clear();
        }
        catch (Exception e)
        {
            trace?.SetStatus(ActivityStatusCode.Error, e.Message);
            throw;
        }
    }

    private async Task<PartitionBatch> StepAsync()
    {
        using Activity? trace = WorkerMetrics.Traces.StartActivity("step");
        return await _pipeline.RunAsync(_rows, CancellationToken.None).ConfigureAwait(false);
    }

    private async Task CommitAsync(PartitionBatch batch)
    {
        using Activity? trace = WorkerMetrics.Traces.StartActivity("commit", ActivityKind.Client);
        byte[] messages = batch.Messages.Count > 0 ? MessageBlock.Write(batch.Messages) : [];
        trace?.SetTag("db.system.name", "postgresql").SetTag("edge.batch", _batch + 1).SetTag("edge.messages.bytes", messages.Length);
        var commit = new BatchCommit(_partition, _epoch, _batch + 1, _published, batch.Rows, batch.States, messages);
        await _parts.Database.CommitAsync(commit, CancellationToken.None).ConfigureAwait(false);
        Volatile.Write(ref _newestTicks, Math.Max(_newestTicks, commit.NewestRow.Ticks));
        _batch++;
        _forgotten = _published;
        _pipeline.Committed();
    }

    private async Task PublishAsync(ConfirmedPublisher publisher, PartitionBatch batch)
    {
        using Activity? trace = WorkerMetrics.Traces.StartActivity("publish", ActivityKind.Producer);
        trace?.SetTag("messaging.system", "rabbitmq");
        await publisher.PublishAsync(batch.Messages, CancellationToken.None).ConfigureAwait(false);
        await publisher.RefuseAsync(_parts.Topology.Refused, batch.Refused, CancellationToken.None).ConfigureAwait(false);
        _published = _batch;
        foreach ((RowDelivery row, string reason) in batch.Refused)
        {
            _parts.SayRefused(row.Topic, reason);
        }
    }
}
