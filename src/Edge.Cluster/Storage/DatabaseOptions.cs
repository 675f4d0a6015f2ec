using Edge.Runtime.Mqtt;

namespace Edge.Cluster.Storage;

/// <summary>How PostgreSQL is reached.</summary>
internal sealed record DatabaseOptions
{
    internal const int UsualPort = 5432;

    /// <summary>Shortest and longest <see cref="Patience"/>.</summary>
    internal static (TimeSpan Min, TimeSpan Max) PatienceRange { get; } = (TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));

    /// <summary>Name, address, or the folder of a socket.</summary>
    public string Host { get; init; } = "127.0.0.1";

    public int Port { get; init; } = UsualPort;

    public string Database { get; init; } = "edge";

    public string Username { get; init; } = "edge";

    public string? Password { get; init; }

    /// <summary>How the connection is encrypted; null if the server chooses.</summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>
    /// After this time PostgreSQL ends the transaction of a worker that says nothing, such as one that is stopped in the middle: until
    /// then no other worker can take its partition. <see cref="PatienceRange"/>.
    /// </summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);
}
