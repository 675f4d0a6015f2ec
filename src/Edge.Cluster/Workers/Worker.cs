using Edge.Cluster.Broker;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;

namespace Edge.Cluster.Workers;

/// <summary>Waits in the line of every partition, and holds no more of them than its share.</summary>
internal sealed class Worker : IDisposable
{
    private static readonly TimeSpan BalanceEvery = TimeSpan.FromSeconds(5);

    private const int ManyStreams = 1000;

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

    // The broker's count of those who wait is the number of workers. Who holds more than the share releases half of the excess.
    private async Task BalanceAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(BalanceEvery * (0.5 + Random.Shared.NextDouble()), _parts.Clock, stop).ConfigureAwait(false);
                ReturnMemory();
                PartitionLoop[] held = [.. _loops.Where(loop => loop.IsHeld)];
                if (held.Length > 1 && await WorkersAsync(stop).ConfigureAwait(false) is > 1 and var workers)
                {
                    int share = (_loops.Length + workers - 1) / workers;
                    int excess = Math.Max(0, held.Length - share);
                    Random.Shared.Shuffle(held);
                    foreach (PartitionLoop loop in held.Take((excess + 1) / 2))
                    {
                        loop.Release();
                    }
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is OutageException || BrokerFault.Is(e, stop))
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

    private async Task<int> WorkersAsync(CancellationToken cancel)
    {
        await using IChannel channel = await _parts.Link.OpenAsync(confirms: false, cancel).ConfigureAwait(false);
        QueueDeclareOk queue = await channel.QueueDeclarePassiveAsync(_parts.Topology.Queue(0), cancel).ConfigureAwait(false);
        await channel.CloseAsync(cancel).ConfigureAwait(false);
        return (int)queue.ConsumerCount;
    }
}
