using Edge.Runtime.Mqtt;

namespace Edge.Cluster.Broker;

/// <summary>How RabbitMQ is reached, and how much of a partition a worker holds at a time.</summary>
internal sealed record BrokerOptions
{
    internal const int PlainPort = 5672;
    internal const int TlsPort = 5671;
    internal const int PrefetchMin = 1;
    internal const int PrefetchMax = 60_000;

    /// <summary>Shortest and longest <see cref="Heartbeat"/>.</summary>
    internal static (TimeSpan Min, TimeSpan Max) HeartbeatRange { get; } = (TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));

    /// <summary>Nodes; any of them will do.</summary>
    public IReadOnlyList<BrokerNode> Nodes { get; init; } = [];

    public string VirtualHost { get; init; } = "/";

    public string Username { get; init; } = "guest";

    public string Password { get; init; } = "guest";

    public TlsOptions? Tls { get; init; }

    /// <summary>Begin of the names of queues and exchange.</summary>
    public string Prefix { get; init; } = "edge";

    /// <summary>
    /// Rows of a partition that a worker may have unacknowledged, <see cref="PrefetchMin"/>..<see cref="PrefetchMax"/>; all others stay
    /// at the broker. All workers need the same: rows of a dead worker come back in order only if its successor takes them all.
    /// </summary>
    public int Prefetch { get; init; } = 1000;

    /// <summary>After about two of these without a word, broker and worker give each other up.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>One node of the broker.</summary>
internal sealed record BrokerNode(string Host, int Port)
{
    public override string ToString() => $"{Host}:{Port}";
}
