using Edge.Testing;

namespace Edge.Cluster.Tests.Servers;

/// <summary>One broker and one database for all tests; each uses its own names. Without the packages, none is started.</summary>
public sealed class ServersFixture : IAsyncLifetime
{
    public ServersFixture() => Servers = new ClusterServers(nodes: 1, Certificates.Path);

    internal ClusterServers Servers { get; }

    /// <summary>Those of <see cref="TestCertificates"/>; the broker has server.pem.</summary>
    internal TemporaryFolder Certificates { get; } = new();

    public async Task InitializeAsync()
    {
        if (ServerPrograms.Missing is null)
        {
            TestCertificates.Write(Certificates, "127.0.0.1");
            await Servers.StartAsync();
        }
    }

    public Task DisposeAsync()
    {
        Servers.Dispose();
        Certificates.Dispose();
        return Task.CompletedTask;
    }
}

/// <summary>The tests that share the servers; one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class ServersCollection : ICollectionFixture<ServersFixture>
{
    internal const string Name = "servers";
}

/// <summary>A test that needs RabbitMQ and PostgreSQL; skipped with a sentence where they are not installed.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ClusterFactAttribute : FactAttribute
{
    public ClusterFactAttribute() => Skip = ServerPrograms.Missing;
}

/// <summary>The same, with a small disk for the database.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ClusterDiskFactAttribute : FactAttribute
{
    public ClusterDiskFactAttribute() =>
        Skip = ServerPrograms.Missing ?? (SmallDisk.IsPossible ? null : "needs the right to mount a tmpfs");
}

/// <summary>The same of many minutes: run with EDGE_CLUSTER_LONG=1.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class LongClusterFactAttribute : FactAttribute
{
    public LongClusterFactAttribute() => Skip = ServerPrograms.Missing
        ?? (Environment.GetEnvironmentVariable("EDGE_CLUSTER_LONG") == "1" ? null : "long: set EDGE_CLUSTER_LONG=1");
}
