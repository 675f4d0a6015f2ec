using Edge.Cluster.Broker;

namespace Edge.Cluster.Tests.Servers;

/// <summary>A broker and a database.</summary>
internal sealed class ClusterServers : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edge-cluster-").FullName;

    /// <param name="nodes">Nodes of the broker.</param>
    /// <param name="certificates">Folder of certificates for TLS to the broker, or null.</param>
    internal ClusterServers(int nodes, string? certificates = null)
    {
        // PostgreSQL may run as another user.
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
        Rabbit = new RabbitCluster(Path.Combine(_folder, "rabbit"), nodes, certificates);
        Postgres = new PostgresServer(Path.Combine(_folder, "postgres"));
    }

    internal RabbitCluster Rabbit { get; }

    internal PostgresServer Postgres { get; }

    /// <summary>Folder that goes with this object.</summary>
    internal string Folder => _folder;

    internal Task StartAsync() => Task.WhenAll(Rabbit.StartAsync(), Postgres.StartAsync());

    /// <summary>How a test reaches the broker.</summary>
    internal BrokerOptions Broker(int prefetch = 5000) => new()
    {
        Nodes = [.. Rabbit.Ports.Select(port => new BrokerNode("127.0.0.1", port))],
        Prefetch = prefetch,
        Heartbeat = TimeSpan.FromSeconds(30),
    };

    public void Dispose()
    {
        Rabbit.Dispose();
        Postgres.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
