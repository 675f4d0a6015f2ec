using RabbitMQ.Client;

namespace Edge.Cluster.Broker;

/// <summary>
/// How many workers there are. Each consumes from a queue on which nothing is published, so that the broker counts them and notices when
/// one dies. For one caller at a time.
/// </summary>
/// <param name="link">The connection.</param>
/// <param name="queue">The queue.</param>
internal sealed class WorkerCount(BrokerLink link, string queue) : IAsyncDisposable
{
    private IChannel? _channel;

    /// <summary>Counts the workers, this one included.</summary>
    /// <exception cref="OutageException">The broker cannot be reached, or refuses.</exception>
    internal async Task<int> ReadAsync(CancellationToken cancel)
    {
        try
        {
            if (_channel is not { IsOpen: true } channel)
            {
                await DisposeAsync().ConfigureAwait(false);
                _channel = channel = await link.OpenAsync(confirms: false, cancel).ConfigureAwait(false);
                var consumer = new AsyncDefaultBasicConsumer(channel);
                await channel.BasicConsumeAsync(queue, autoAck: false, consumer, cancel).ConfigureAwait(false);
            }

            return (int)(await channel.QueueDeclarePassiveAsync(queue, cancel).ConfigureAwait(false)).ConsumerCount;
        }
        catch (Exception e) when (BrokerFault.Is(e, cancel))
        {
            throw BrokerFault.Of(e, link.Options, $"does not count the workers on queue '{queue}' (edge-cluster init declares it)");
        }
    }

    public ValueTask DisposeAsync() => _channel is { } channel ? BrokerFault.CloseAsync(channel) : ValueTask.CompletedTask;
}
