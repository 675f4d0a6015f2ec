using System.CommandLine;
using Edge.Cluster.Broker;
using Edge.Cluster.Configuration;
using Edge.Cluster.Storage;
using Edge.Inference;

namespace Edge.Cluster.Commands;

/// <summary>Broker and database of a configuration, for a command.</summary>
internal sealed class ClusterSession : IAsyncDisposable
{
    internal ClusterSession(string path)
    {
        Config = ClusterConfigFile.Load(path);
        Name = $"{Environment.MachineName}-{Environment.ProcessId}";
        Link = new BrokerLink(Config.Broker, $"edge-cluster {Name}");
        Topology = new Topology(Config.Broker.Prefix, Config.Partitions);
        Database = new ClusterDatabase(Config.Database, $"edge-cluster {Name}");
    }

    internal ClusterConfig Config { get; }

    /// <summary>Name of this process.</summary>
    internal string Name { get; }

    internal BrokerLink Link { get; }

    internal Topology Topology { get; }

    internal ClusterDatabase Database { get; }

    internal static Option<string> ConfigOption() =>
        new("--config") { Description = "The configuration, cluster.yaml.", Required = true };

    /// <summary>Has an outage end the command: who calls it wants to know now.</summary>
    internal static async Task<T> RequireAsync<T>(Func<Task<T>> action)
    {
        try
        {
            return await action().ConfigureAwait(false);
        }
        catch (OutageException e)
        {
            throw new InputException(e.Message, e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Link.DisposeAsync().ConfigureAwait(false);
        await Database.DisposeAsync().ConfigureAwait(false);
    }
}
