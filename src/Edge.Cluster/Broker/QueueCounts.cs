using RabbitMQ.Client;

namespace Edge.Cluster.Broker;

/// <summary>
/// What the broker counts: the workers, and the rows that wait. Each worker consumes from a queue on which nothing is published, so that
/// the broker notices when one dies. For one caller at a time.
/// </summary>
/// <param name="link">The connection.</param>
/// <param name="topology">The queues.</param>
internal sealed class QueueCounts(BrokerLink link, Topology topology) : IAsyncDisposable
{
    private IChannel? _channel;

    /// <summary>Counts the workers, this one included.</summary>
    /// <exception cref="OutageException">The broker cannot be reached, or refuses.</exception>
    internal async Task<int> WorkersAsync(CancellationToken cancel) =>
        (int)(await ReadAsync(topology.Workers, cancel).ConfigureAwait(false)).ConsumerCount;

    /// <summary>Counts the rows of a partition that no worker has fetched yet.</summary>
    /// <exception cref="OutageException">The broker cannot be reached, or refuses.</exception>
    internal async Task<long> WaitingAsync(int partition, CancellationToken cancel) =>
        (await ReadAsync(topology.Queue(partition), cancel).ConfigureAwait(false)).MessageCount;

    public ValueTask DisposeAsync() => _channel is { } channel ? BrokerFault.CloseAsync(channel) : ValueTask.CompletedTask;

    private async Task<QueueDeclareOk> ReadAsync(string queue, CancellationToken cancel)
    {
        try
        {
            if (_channel is not { IsOpen: true } channel)
            {
                await DisposeAsync().ConfigureAwait(false);
                _channel = channel = await link.OpenAsync(confirms: false, cancel).ConfigureAwait(false);
                var consumer = new AsyncDefaultBasicConsumer(channel);
                await channel.BasicConsumeAsync(topology.Workers, autoAck: false, consumer, cancel).ConfigureAwait(false);
            }

            return await channel.QueueDeclarePassiveAsync(queue, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (BrokerFault.Is(e, cancel))
        {
            throw BrokerFault.Of(e, link.Options, $"does not count queue '{queue}' (edge-cluster init declares it)");
        }
    }
}
