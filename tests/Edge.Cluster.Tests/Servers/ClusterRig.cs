using Edge.Cluster.Broker;
using Npgsql;
using RabbitMQ.Client;

namespace Edge.Cluster.Tests.Servers;

/// <summary>A cluster of one test: a configuration, a database and queues of its own.</summary>
internal sealed class ClusterRig : IAsyncDisposable
{
    private readonly ClusterServers _servers;
    private readonly PostgresServer _postgres;
    private readonly List<WorkerProcess> _workers = [];
    private readonly string _folder;

    private ClusterRig(ClusterServers servers, PostgresServer postgres, string name)
    {
        _servers = servers;
        _postgres = postgres;
        Name = name;
        _folder = Directory.CreateDirectory(Path.Combine(servers.Folder, name)).FullName;
        ConfigFile = Path.Combine(_folder, "cluster.yaml");
    }

    /// <summary>Name of the database, begin of the queues' names and of the topics.</summary>
    internal string Name { get; }

    internal string ConfigFile { get; }

    internal string DatabaseText => $"Host=127.0.0.1;Port={_postgres.Port};Username=edge;Database={Name}";

    internal IReadOnlyList<WorkerProcess> Workers => _workers;

    /// <summary>What the workers said, for a failure.</summary>
    internal string Logs => string.Join('\n', _workers.TakeLast(6).Select(worker => $"--- {worker.Name}\n{worker.Error}"));

    /// <param name="servers">The servers.</param>
    /// <param name="name">A name that no other test has: letters and digits.</param>
    /// <param name="partitions">Partitions.</param>
    /// <param name="more">Further lines of cluster.yaml, before <c>streams</c>.</param>
    /// <param name="streams">Further entries of <c>streams</c>.</param>
    /// <param name="postgres">Another database server than that of <paramref name="servers"/>.</param>
    /// <param name="tablespace">Where the database lies, as SQL names it.</param>
    internal static async Task<ClusterRig> StartAsync(
        ClusterServers servers,
        string name,
        int partitions,
        string more = "",
        string streams = "",
        PostgresServer? postgres = null,
        string tablespace = "pg_default")
    {
        postgres ??= servers.Postgres;
        var rig = new ClusterRig(servers, postgres, name);
        await File.WriteAllTextAsync(rig.ConfigFile, $$"""
            partitions: {{partitions}}
            rabbitmq:
              hosts: [{{servers.Rabbit.Hosts}}]
              prefix: {{name}}
              heartbeat: 1s
              prefetch: 500
            postgresql: { host: 127.0.0.1, port: {{postgres.Port}}, database: {{name}}, username: edge, patience: 2s }
            {{more}}
            streams:
              - topics: {{name}}/+/rows
                name: climate
                model: demo
            {{streams}}
            """);
        await postgres.ExecuteAsync($"CREATE DATABASE {name} TABLESPACE {tablespace}");
        (int code, _, string error) = await rig.RunAsync("init");
        return code == 0 ? rig : throw new InvalidOperationException(error);
    }

    /// <summary>Runs a command of edge-cluster in this process.</summary>
    internal async Task<(int Code, string Output, string Error)> RunAsync(string command)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int code = await Program.RunAsync([command, "--config", ConfigFile], output, error);
        return (code, output.ToString(), error.ToString());
    }

    internal WorkerProcess StartWorker()
    {
        var worker = new WorkerProcess(ConfigFile);
        _workers.Add(worker);
        return worker;
    }

    /// <summary>One value of the database.</summary>
    internal async Task<long> CountAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(DatabaseText);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Rows on the queue of refused ones, with the reason of each.</summary>
    internal async Task<List<string>> RefusedAsync()
    {
        await using var link = new BrokerLink(_servers.Broker(), "test");
        await using IChannel channel = await link.OpenAsync(confirms: false, default);
        List<string> reasons = [];
        while (await channel.BasicGetAsync($"{Name}.refused", autoAck: true) is { } row)
        {
            reasons.Add(System.Text.Encoding.UTF8.GetString((byte[])row.BasicProperties.Headers!["reason"]!));
        }

        await channel.CloseAsync();
        return reasons;
    }

    public ValueTask DisposeAsync()
    {
        foreach (WorkerProcess worker in _workers)
        {
            worker.Dispose();
        }

        NpgsqlConnection.ClearAllPools();
        return ValueTask.CompletedTask;
    }
}
