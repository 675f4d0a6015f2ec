using System.CommandLine;
using System.Globalization;
using Edge.Cluster.Broker;
using Edge.Cluster.Storage;
using Edge.Inference;
using Edge.Runtime.Commands;
using RabbitMQ.Client;

namespace Edge.Cluster.Commands;

/// <summary><c>status</c>: who holds which partition, how far each lags behind, streams and rates.</summary>
internal static class StatusCommand
{
    private const string Heading =
        "partition  worker                          epoch   streams         rows    rows/s   waiting   row age  unpublished";

    // The owner of a partition that no worker waits for, and the age of no row.
    private const string None = "-";

    private static readonly TimeSpan RateOver = TimeSpan.FromSeconds(2);

    internal static Command Create(TextWriter output)
    {
        Option<string> config = ClusterSession.ConfigOption();
        var command = new Command("status", "Shows partitions, their workers, streams, rates, and how far each lags behind.") { config };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var session = new ClusterSession(parsed.GetRequiredValue(config));
            await ClusterSession.RequireAsync(() => WriteAsync(session, output, cancel)).ConfigureAwait(false);
            return ExitCodes.Done;
        });
        return command;
    }

    private static async Task<bool> WriteAsync(ClusterSession session, TextWriter output, CancellationToken cancel)
    {
        await session.Database.CheckAsync(session.Config.Partitions, cancel).ConfigureAwait(false);
        (IReadOnlyList<PartitionStatus> before, _) = await session.Database.StatusAsync(cancel).ConfigureAwait(false);
        await Task.Delay(RateOver, cancel).ConfigureAwait(false);
        (IReadOnlyList<PartitionStatus> now, long streams) = await session.Database.StatusAsync(cancel).ConfigureAwait(false);
        await using IChannel channel = await session.Link.OpenAsync(confirms: false, cancel).ConfigureAwait(false);
        await output.WriteLineAsync(Heading).ConfigureAwait(false);
        long waitingSum = 0;
        double rateSum = 0;
        foreach (PartitionStatus partition in now)
        {
            QueueDeclareOk queue;
            try
            {
                queue = await channel.QueueDeclarePassiveAsync(session.Topology.Queue(partition.Id), cancel).ConfigureAwait(false);
            }
            catch (Exception e) when (BrokerFault.Is(e, cancel))
            {
                throw BrokerFault.Of(e, session.Config.Broker, "lacks a queue (edge-cluster init declares it)");
            }

            double rate = (partition.Rows - before[partition.Id].Rows) / RateOver.TotalSeconds;
            rateSum += rate;
            waitingSum += queue.MessageCount;
            string owner = queue.ConsumerCount > 0 && partition.Owner is { } name ? name : None;
            await output.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"{partition.Id,9}  {owner,-30}  {partition.Epoch,5}  {partition.Streams,8}  {partition.Rows,11}  "
                    + $"{rate,8:0}  {queue.MessageCount,8}  {Age(partition.NewestRow),8}  "
                    + $"{partition.Unpublished,11}")).ConfigureAwait(false);
        }

        QueueDeclareOk workers = await channel.QueueDeclarePassiveAsync(session.Topology.Workers, cancel).ConfigureAwait(false);
        QueueDeclareOk refused = await channel.QueueDeclarePassiveAsync(session.Topology.Refused, cancel).ConfigureAwait(false);
        await output.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"{Quantity.Of(workers.ConsumerCount, "worker")}, {Quantity.Of(streams, "stream")}, "
                + $"{now.Sum(partition => partition.Rows)} rows, {rateSum:0} rows/s, {waitingSum} rows waiting, "
                + $"newest row {Age(now.Max(partition => partition.NewestRow))} old, "
                + $"{refused.MessageCount} refused rows on {session.Topology.Refused}")).ConfigureAwait(false);
        return true;
    }

    // Time since a row was measured, in the unit that a reader would choose.
    private static string Age(DateTime row)
    {
        if (row == default)
        {
            return None;
        }

        double seconds = Math.Max(0, (DateTime.UtcNow - row).TotalSeconds);
        (double value, string unit) = seconds switch
        {
            < 120 => (seconds, "s"),
            < 120 * 60 => (seconds / 60, "m"),
            < 48 * 3600 => (seconds / 3600, "h"),
            _ => (seconds / 86400, "d"),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{value:0.0}{unit}");
    }
}
