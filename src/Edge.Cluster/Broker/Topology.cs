using RabbitMQ.Client;

namespace Edge.Cluster.Broker;

/// <summary>
/// The queues and bindings: MQTT messages arrive at amq.topic. A consistent-hash exchange splits them over one quorum queue per
/// partition. All rows of one topic go to one partition.
/// </summary>
/// <param name="prefix">Begin of all names.</param>
/// <param name="partitions">Number of partitions.</param>
internal sealed class Topology(string prefix, int partitions)
{
    /// <summary>The exchange of RabbitMQ's MQTT plugin.</summary>
    internal const string MqttExchange = "amq.topic";

    /// <summary>Most rows that the queue of refused rows keeps; the oldest go first.</summary>
    internal const int RefusedMax = 10_000;

    internal string Rows => $"{prefix}.rows";

    /// <summary>The queue of rows that could not be used.</summary>
    internal string Refused => $"{prefix}.refused";

    /// <summary>The queue on which workers are counted; nothing is published on it.</summary>
    internal string Workers => $"{prefix}.workers";

    internal int Partitions => partitions;

    internal string Queue(int partition) => $"{prefix}.rows.{partition}";

    /// <summary>Declares everything; what is there already stays.</summary>
    /// <param name="channel">An open channel.</param>
    /// <param name="topics">Routing patterns of the topics whose messages are rows.</param>
    /// <param name="cancel">Stops.</param>
    internal async Task DeclareAsync(IChannel channel, IEnumerable<string> topics, CancellationToken cancel)
    {
        await channel.ExchangeDeclareAsync(Rows, "x-consistent-hash", durable: true, autoDelete: false, cancellationToken: cancel)
            .ConfigureAwait(false);
        await DeclareQueueAsync(channel, Refused, new() { ["x-max-length"] = RefusedMax }, cancel).ConfigureAwait(false);
        await DeclareQueueAsync(channel, Workers, [], cancel).ConfigureAwait(false);
        for (int partition = 0; partition < partitions; partition++)
        {
            await DeclareQueueAsync(channel, Queue(partition), new() { ["x-single-active-consumer"] = true }, cancel).ConfigureAwait(false);

            // The key of a binding to this kind of exchange is a weight.
            await channel.QueueBindAsync(Queue(partition), Rows, "1", cancellationToken: cancel).ConfigureAwait(false);
        }

        // Last, so that no row comes before all partitions are there.
        foreach (string topic in topics)
        {
            await channel.ExchangeBindAsync(Rows, MqttExchange, topic, cancellationToken: cancel).ConfigureAwait(false);
        }
    }

    private static Task<QueueDeclareOk> DeclareQueueAsync(
        IChannel channel, string name, Dictionary<string, object?> arguments, CancellationToken cancel)
    {
        arguments["x-queue-type"] = "quorum";
        return channel.QueueDeclareAsync(
            name, durable: true, exclusive: false, autoDelete: false, arguments: arguments, cancellationToken: cancel);
    }
}
