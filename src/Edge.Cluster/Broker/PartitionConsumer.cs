using System.Threading.Channels;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Edge.Cluster.Broker;

/// <summary>
/// Waits in line for a partition. The broker gives a partition to one consumer at a time: nothing comes until it is this one's turn.
/// </summary>
internal sealed class PartitionConsumer : IAsyncDisposable
{
    private readonly BrokerOptions _options;
    private readonly IChannel _channel;
    private readonly Channel<RowDelivery> _arrivals = Channel.CreateUnbounded<RowDelivery>(new() { SingleReader = true });

    private PartitionConsumer(BrokerOptions options, IChannel channel)
    {
        _options = options;
        _channel = channel;
    }

    /// <exception cref="OutageException">The broker cannot be reached, or refuses.</exception>
    internal static async Task<PartitionConsumer> OpenAsync(BrokerLink link, string queue, CancellationToken cancel)
    {
        IChannel channel = await link.OpenAsync(confirms: false, cancel).ConfigureAwait(false);
        var consumer = new PartitionConsumer(link.Options, channel);
        try
        {
            await consumer.BeginAsync(queue, cancel).ConfigureAwait(false);
            return consumer;
        }
        catch (Exception e)
        {
            await consumer.DisposeAsync().ConfigureAwait(false);
            if (BrokerFault.Is(e, cancel))
            {
                throw BrokerFault.Of(e, link.Options, $"does not give queue '{queue}' (edge-cluster init declares it)");
            }

            throw;
        }
    }

    /// <summary>Waits for the next row.</summary>
    /// <exception cref="OutageException">The channel is closed.</exception>
    internal async ValueTask WaitAsync(CancellationToken cancel)
    {
        try
        {
            if (!await _arrivals.Reader.WaitToReadAsync(cancel).ConfigureAwait(false))
            {
                throw new ChannelClosedException();
            }
        }
        catch (ChannelClosedException e)
        {
            throw BrokerFault.Of(e.InnerException ?? new IOException("the queue is gone"), _options, "closed a partition");
        }
    }

    /// <summary>Takes rows that have come, without a wait.</summary>
    internal void Take(List<RowDelivery> into, int max)
    {
        while (into.Count < max && _arrivals.Reader.TryRead(out RowDelivery row))
        {
            into.Add(row);
        }
    }

    /// <summary>Acknowledges a row and all before it.</summary>
    /// <exception cref="OutageException">The channel is closed.</exception>
    internal async Task AcknowledgeAsync(ulong tag, CancellationToken cancel)
    {
        try
        {
            await _channel.BasicAckAsync(tag, multiple: true, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (BrokerFault.Is(e, cancel))
        {
            throw BrokerFault.Of(e, _options, "does not take an acknowledgment");
        }
    }

    /// <summary>Leaves the line. What is not acknowledged goes to the next in it.</summary>
    public ValueTask DisposeAsync()
    {
        _arrivals.Writer.TryComplete();
        return BrokerFault.CloseAsync(_channel);
    }

    private async Task BeginAsync(string queue, CancellationToken cancel)
    {
        _channel.ChannelShutdownAsync += (_, reason) =>
        {
            _arrivals.Writer.TryComplete(new IOException(reason.ReplyText));
            return Task.CompletedTask;
        };
        var consumer = new AsyncEventingBasicConsumer(_channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            // The body is the library's again after this call.
            _arrivals.Writer.TryWrite(
                new RowDelivery(delivery.DeliveryTag, delivery.RoutingKey.Replace('.', '/'), delivery.Body.ToArray()));
            return Task.CompletedTask;
        };
        consumer.UnregisteredAsync += (_, _) =>
        {
            _arrivals.Writer.TryComplete();
            return Task.CompletedTask;
        };
        await _channel.BasicQosAsync(0, (ushort)_options.Prefetch, global: false, cancel).ConfigureAwait(false);
        await _channel.BasicConsumeAsync(queue, autoAck: false, consumer, cancel).ConfigureAwait(false);
    }
}
