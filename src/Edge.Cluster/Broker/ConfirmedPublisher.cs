using System.Globalization;
using Edge.Runtime.Mqtt;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Edge.Cluster.Broker;

/// <summary>Publishes messages in order, and waits until the broker has confirmed all of them. For one caller at a time.</summary>
internal sealed class ConfirmedPublisher : IAsyncDisposable
{
    // Messages that wait for a confirmation at a time.
    private const int WindowMax = 2000;
    private const string QosHeader = "x-mqtt-publish-qos";
    private static readonly TimeSpan ConfirmTimeout = TimeSpan.FromSeconds(30);

    private readonly BrokerOptions _options;
    private readonly IChannel _channel;
    private readonly Lock _gate = new();
    private readonly HashSet<ulong> _open = [];
    private TaskCompletionSource? _done;
    private string? _failure;

    private ConfirmedPublisher(BrokerOptions options, IChannel channel)
    {
        _options = options;
        _channel = channel;
        channel.BasicAcksAsync += (_, ack) => Settle(ack.DeliveryTag, ack.Multiple, null);
        channel.BasicNacksAsync += (_, nack) => Settle(nack.DeliveryTag, nack.Multiple, "it could not take a message");
        channel.ChannelShutdownAsync += (_, reason) => Settle(ulong.MaxValue, true, reason.ReplyText);
    }

    /// <exception cref="OutageException">The broker cannot be reached.</exception>
    internal static async Task<ConfirmedPublisher> OpenAsync(BrokerLink link, CancellationToken cancel) =>
        new(link.Options, await link.OpenAsync(confirms: true, cancel).ConfigureAwait(false));

    /// <summary>Publishes on MQTT topics.</summary>
    /// <exception cref="OutageException">The broker did not confirm all of them.</exception>
    internal Task PublishAsync(IReadOnlyList<MqttMessage> messages, CancellationToken cancel) => PublishAsync(
        messages.Count,
        i => (Topology.MqttExchange, messages[i].Topic.Replace('/', '.'), Properties(messages[i]), messages[i].Payload),
        cancel);

    /// <summary>Puts rows that could not be used on a queue, each with the reason as the header <c>reason</c>.</summary>
    /// <exception cref="OutageException">The broker did not confirm all of them.</exception>
    internal Task RefuseAsync(string queue, IReadOnlyList<(RowDelivery Row, string Reason)> rows, CancellationToken cancel) => PublishAsync(
        rows.Count,
        i => (
            "",
            queue,
            new BasicProperties
            {
                Persistent = true,
                Headers = new Dictionary<string, object?> { ["topic"] = rows[i].Row.Topic, ["reason"] = rows[i].Reason },
            },
            (ReadOnlyMemory<byte>)rows[i].Row.Body),
        cancel);

    public ValueTask DisposeAsync() => BrokerFault.CloseAsync(_channel);

    private async Task PublishAsync(
        int count,
        Func<int, (string Exchange, string Key, BasicProperties Properties, ReadOnlyMemory<byte> Body)> message,
        CancellationToken cancel)
    {
        try
        {
            for (int begin = 0; begin < count; begin += WindowMax)
            {
                int end = Math.Min(count, begin + WindowMax);
                ulong first = await _channel.GetNextPublishSequenceNumberAsync(cancel).ConfigureAwait(false);
                Task confirmed = Expect(first, end - begin);
                for (int i = begin; i < end; i++)
                {
                    (string exchange, string key, BasicProperties properties, ReadOnlyMemory<byte> body) = message(i);
                    await _channel.BasicPublishAsync(exchange, key, mandatory: false, properties, body, cancel).ConfigureAwait(false);
                }

                await confirmed.WaitAsync(ConfirmTimeout, cancel).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (BrokerFault.Is(e, cancel))
        {
            throw BrokerFault.Of(e, _options, "did not confirm messages");
        }
    }

    private Task Expect(ulong first, int count)
    {
        lock (_gate)
        {
            if (_failure is not null)
            {
                throw new IOException(_failure);
            }

            _open.Clear();
            for (ulong tag = first; tag < first + (ulong)count; tag++)
            {
                _open.Add(tag);
            }

            _done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _done.Task;
        }
    }

    private Task Settle(ulong tag, bool multiple, string? failure)
    {
        lock (_gate)
        {
            if (failure is not null)
            {
                _failure = failure;
                _done?.TrySetException(new IOException(failure));
                return Task.CompletedTask;
            }

            if (multiple)
            {
                _open.RemoveWhere(open => open <= tag);
            }
            else
            {
                _open.Remove(tag);
            }

            if (_open.Count == 0)
            {
                _done?.TrySetResult();
            }
        }

        return Task.CompletedTask;
    }

    // The MQTT plugin reads the quality of service from a header, a signed byte.
    private static BasicProperties Properties(MqttMessage message) => new()
    {
        Persistent = message.QualityOfService > 0,
        ContentType = message.ContentType,
        Expiration = message.ExpirySeconds is { } seconds ? (seconds * 1000L).ToString(CultureInfo.InvariantCulture) : null,
        Headers = new Dictionary<string, object?> { [QosHeader] = (sbyte)message.QualityOfService },
    };
}
