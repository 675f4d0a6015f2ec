using Edge.Cluster.Broker;
using Edge.Cluster.Pipeline;
using Edge.Cluster.Storage;
using Edge.Cluster.Workers;
using Edge.Runtime.Telemetry;

namespace Edge.Cluster.Configuration;

/// <summary>All of cluster.yaml.</summary>
internal sealed record ClusterConfig
{
    internal const int PartitionsMin = 1;
    internal const int PartitionsMax = 1024;

    public required BrokerOptions Broker { get; init; }

    public required DatabaseOptions Database { get; init; }

    /// <summary>Into how many parts the streams are split, <see cref="PartitionsMin"/>..<see cref="PartitionsMax"/>; for good.</summary>
    public int Partitions { get; init; } = 16;

    public WorkerOptions Worker { get; init; } = new();

    public required IReadOnlyList<StreamRule> Streams { get; init; }

    public TelemetryOptions? Telemetry { get; init; }
}
