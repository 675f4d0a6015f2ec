using System.CommandLine;
using Edge.Cluster.Broker;
using Edge.Cluster.Pipeline;
using Edge.Inference;
using Edge.Runtime.Commands;
using Microsoft.Extensions.Logging.Abstractions;
using RabbitMQ.Client;

namespace Edge.Cluster.Commands;

/// <summary><c>check</c>: reads the configuration, loads the models, and looks at broker and database without changing them.</summary>
internal static class CheckCommand
{
    internal static Command Create(TextWriter output)
    {
        Option<string> config = ClusterSession.ConfigOption();
        var command = new Command("check", "Checks configuration, models, broker and database; changes nothing.") { config };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var session = new ClusterSession(parsed.GetRequiredValue(config));
            List<string> problems = [];
            foreach (StreamRule rule in session.Config.Streams)
            {
                var model = new RuleModel(rule, TimeProvider.System, NullLogger.Instance);
                if (model.Current() is { } loaded)
                {
                    string line = $"{rule.Topics.Text}: model {loaded.Sha256[..6]}, {loaded.Manifest.Name}";
                    await output.WriteLineAsync(line).ConfigureAwait(false);
                }
                else
                {
                    problems.Add($"{rule.Topics.Text}: {model.Problem}.");
                }
            }

            await TryAsync(() => session.Database.CheckAsync(session.Config.Partitions, cancel), "PostgreSQL: the tables are there")
                .ConfigureAwait(false);
            await TryAsync(() => CheckBrokerAsync(session, cancel), "RabbitMQ: the queues are there").ConfigureAwait(false);
            return problems.Count == 0 ? ExitCodes.Done : throw new InputException(string.Join('\n', problems));

            async Task TryAsync(Func<Task> action, string fine)
            {
                try
                {
                    await action().ConfigureAwait(false);
                    await output.WriteLineAsync(fine).ConfigureAwait(false);
                }
                catch (Exception e) when (e is OutageException or InputException)
                {
                    problems.Add(e.Message);
                }
            }
        });
        return command;
    }

    private static async Task CheckBrokerAsync(ClusterSession session, CancellationToken cancel)
    {
        await using IChannel channel = await session.Link.OpenAsync(confirms: false, cancel).ConfigureAwait(false);
        try
        {
            for (int partition = 0; partition < session.Config.Partitions; partition++)
            {
                await channel.QueueDeclarePassiveAsync(session.Topology.Queue(partition), cancel).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (BrokerFault.Is(e, cancel))
        {
            throw BrokerFault.Of(e, session.Config.Broker, "lacks a queue (edge-cluster init declares it)");
        }
    }
}
