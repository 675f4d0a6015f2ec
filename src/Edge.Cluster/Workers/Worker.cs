using Edge.Cluster.Broker;
using Microsoft.Extensions.Logging;

namespace Edge.Cluster.Workers;

/// <summary>Waits in the line of every partition, and holds no more of them than its share.</summary>
internal sealed class Worker : IDisposable
{
    // From half to one and a half times this, so that workers do not act at the same time.
    private static readonly TimeSpan BalanceEvery = TimeSpan.FromSeconds(3);

    // Streams of 32 kB that have left since, and are worth a collection of everything.
    private const int ManyStreams = 100;

    private readonly WorkerParts _parts;
    private readonly PartitionLoop[] _loops;
    private int _streamsMost;

    /// <param name="parts">What its partitions share.</param>
    internal Worker(WorkerParts parts)
    {
        _parts = parts;
        _loops = [.. Enumerable.Range(0, parts.Topology.Partitions).Select(partition => new PartitionLoop(partition, parts))];
    }

    /// <summary>Partitions held now.</summary>
    internal int Held => _loops.Count(loop => loop.IsHeld);

    /// <summary>How far each partition that is held lags behind.</summary>
    internal IEnumerable<PartitionLag> Lags() =>
        _loops.Where(loop => loop.IsHeld).Select(loop => new PartitionLag(loop.Partition, loop.Waiting, loop.RowAge));

    /// <summary>Runs until it is stopped: then each partition ends its batch and goes to the next in line.</summary>
    internal async Task RunAsync(CancellationToken stop)
    {
        // In random order, so that workers that start together do not stand first in the same lines.
        PartitionLoop[] order = [.. _loops];
        Random.Shared.Shuffle(order);
        await Task.WhenAll([.. order.Select(loop => loop.RunAsync(stop)), BalanceAsync(stop)]).ConfigureAwait(false);
    }

    public void Dispose()
    {
        foreach (PartitionLoop loop in _loops)
        {
            loop.Dispose();
        }
    }

    // A worker that holds more than its share releases half of the excess to those that wait in line. It counts the rows that wait, too.
    private async Task BalanceAsync(CancellationToken stop)
    {
        await using var counts = new QueueCounts(_parts.Link, _parts.Topology);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(BalanceEvery * (0.5 + Random.Shared.NextDouble()), _parts.Clock, stop).ConfigureAwait(false);
                ReturnMemory();
                PartitionLoop[] held = [.. _loops.Where(loop => loop.IsHeld)];
                int workers = Math.Max(1, await counts.WorkersAsync(stop).ConfigureAwait(false));
                int share = (_loops.Length + workers - 1) / workers;
                int excess = Math.Max(0, held.Length - share);
                Random.Shared.Shuffle(held);
                foreach (PartitionLoop loop in held.Take((excess + 1) / 2))
                {
                    loop.Release();
                }

                foreach (PartitionLoop loop in _loops.Where(loop => loop.IsHeld))
                {
                    loop.Waiting = await counts.WaitingAsync(loop.Partition, stop).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (OutageException)
            {
                // The partitions say what is wrong.
            }
        }
    }

    // The collector would keep what thousands of streams have left for the next ones: it goes back to the system.
    private void ReturnMemory()
    {
        int streams = _parts.Budget.Streams;
        _streamsMost = Math.Max(_streamsMost, streams);
        if (_streamsMost - streams >= ManyStreams && streams <= _streamsMost / 2)
        {
            _streamsMost = streams;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }
    }
}
