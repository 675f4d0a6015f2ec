using System.CommandLine;
using Edge.Cluster.Broker;
using Edge.Runtime.Commands;
using RabbitMQ.Client;

namespace Edge.Cluster.Commands;

/// <summary><c>init</c>: declares queues, bindings and tables. It can be run again.</summary>
internal static class InitCommand
{
    internal static Command Create(TextWriter output)
    {
        Option<string> config = ClusterSession.ConfigOption();
        var command = new Command("init", "Declares queues, bindings and tables; what is there already stays.") { config };
        command.SetAction(async (parsed, cancel) =>
        {
            await using var session = new ClusterSession(parsed.GetRequiredValue(config));
            await ClusterSession.RequireAsync(async () =>
            {
                await session.Database.InitAsync(session.Config.Partitions, cancel).ConfigureAwait(false);
                await using IChannel channel = await session.Link.OpenAsync(confirms: false, cancel).ConfigureAwait(false);
                try
                {
                    await session.Topology
                        .DeclareAsync(channel, session.Config.Streams.Select(rule => rule.Topics.RoutingPattern), cancel)
                        .ConfigureAwait(false);
                }
                catch (Exception e) when (BrokerFault.Is(e, cancel))
                {
                    throw BrokerFault.Of(e, session.Config.Broker, "does not declare the queues");
                }

                return true;
            }).ConfigureAwait(false);
            await output.WriteLineAsync(
                $"{session.Config.Partitions} partitions on RabbitMQ and PostgreSQL; rows come from "
                    + $"{string.Join(", ", session.Config.Streams.Select(rule => rule.Topics.Text))}.").ConfigureAwait(false);
            return ExitCodes.Done;
        });
        return command;
    }
}
