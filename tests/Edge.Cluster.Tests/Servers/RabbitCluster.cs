using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Edge.Cluster.Tests.Servers;

/// <summary>A RabbitMQ cluster of its own: names, ports, folders and cookie are this object's.</summary>
internal sealed class RabbitCluster : IDisposable
{
    private readonly string _folder;
    private readonly string? _certificates;
    private readonly string _prefix = "edge" + Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
    private readonly int _epmdPort = ServerPrograms.FreePort();
    private readonly int[] _distributionPorts;
    private readonly Process?[] _nodes;
    private readonly StringBuilder _said = new();
    private Process? _epmd;

    /// <param name="folder">Folder for everything it writes.</param>
    /// <param name="nodes">Number of nodes.</param>
    /// <param name="certificates">Folder of ca.pem, server.pem and server.key, for TLS on the first node; null for none.</param>
    internal RabbitCluster(string folder, int nodes, string? certificates = null)
    {
        _folder = folder;
        _certificates = certificates;
        _nodes = new Process?[nodes];
        Ports = [.. Enumerable.Range(0, nodes).Select(_ => ServerPrograms.FreePort())];
        MqttPorts = [.. Enumerable.Range(0, nodes).Select(_ => ServerPrograms.FreePort())];
        _distributionPorts = [.. Enumerable.Range(0, nodes).Select(_ => ServerPrograms.FreePort())];
    }

    /// <summary>AMQP ports, a node each.</summary>
    internal int[] Ports { get; }

    /// <summary>MQTT ports, a node each.</summary>
    internal int[] MqttPorts { get; }

    /// <summary>AMQP port of the first node for TLS.</summary>
    internal int TlsPort { get; } = ServerPrograms.FreePort();

    /// <summary>The nodes for <c>rabbitmq.hosts</c>.</summary>
    internal string Hosts => string.Join(", ", Ports.Select(port => $"127.0.0.1:{port}"));

    /// <summary>Process of a node.</summary>
    internal int ProcessId(int node) => _nodes[node]!.Id;

    internal async Task StartAsync()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "home"));
        string cookie = Path.Combine(_folder, "home", ".erlang.cookie");
        await File.WriteAllTextAsync(cookie, _prefix);
        File.SetUnixFileMode(cookie, UnixFileMode.UserRead);
        await File.WriteAllTextAsync(
            Path.Combine(_folder, "plugins"), "[rabbitmq_mqtt,rabbitmq_consistent_hash_exchange].\n");
        _epmd = Begin("epmd", ["-address", "127.0.0.1", "-port", _epmdPort.ToString(CultureInfo.InvariantCulture)], []);
        await ServerPrograms.ListeningAsync(_epmd, _epmdPort, Said);

        // The first node alone, and the others join it.
        for (int node = 0; node < _nodes.Length; node++)
        {
            BeginNode(node);
            if (node == 0)
            {
                await ListeningAsync(node);
            }
        }

        for (int node = 1; node < _nodes.Length; node++)
        {
            await ListeningAsync(node);
        }
    }

    /// <summary>kill -9 of a node.</summary>
    internal void Kill(int node)
    {
        ServerPrograms.End(_nodes[node]);
        _nodes[node] = null;
    }

    /// <summary>Starts a killed node again.</summary>
    internal Task RestartAsync(int node)
    {
        BeginNode(node);
        return ListeningAsync(node);
    }

    public void Dispose()
    {
        foreach (Process? node in _nodes)
        {
            ServerPrograms.End(node);
        }

        ServerPrograms.End(_epmd);
    }

    private async Task ListeningAsync(int node)
    {
        await ServerPrograms.ListeningAsync(_nodes[node]!, Ports[node], Said);
        await ServerPrograms.ListeningAsync(_nodes[node]!, MqttPorts[node], Said);
    }

    private void BeginNode(int node)
    {
        string home = Path.Combine(_folder, $"node{node}");
        Directory.CreateDirectory(home);
        var config = new StringBuilder(
            $"""
            listeners.tcp.default = 127.0.0.1:{Ports[node]}
            mqtt.listeners.tcp.default = 127.0.0.1:{MqttPorts[node]}
            mqtt.allow_anonymous = true
            cluster_formation.peer_discovery_backend = classic_config
            log.file.level = warning
            disk_free_limit.absolute = 100MB

            """);
        for (int each = 0; each < _nodes.Length; each++)
        {
            config.Append(CultureInfo.InvariantCulture, $"cluster_formation.classic_config.nodes.{each + 1} = {Name(each)}\n");
        }

        if (_certificates is not null && node == 0)
        {
            config.Append(
                CultureInfo.InvariantCulture,
                $"""
                listeners.ssl.default = 127.0.0.1:{TlsPort}
                ssl_options.cacertfile = {_certificates}/ca.pem
                ssl_options.certfile = {_certificates}/server.pem
                ssl_options.keyfile = {_certificates}/server.key
                ssl_options.verify = verify_peer
                ssl_options.fail_if_no_peer_cert = false

                """);
        }

        string file = Path.Combine(home, "rabbitmq.conf");
        File.WriteAllText(file, config.ToString());
        _nodes[node] = Begin(ServerPrograms.Rabbit, [], new()
        {
            ["HOME"] = Path.Combine(_folder, "home"),
            ["ERL_EPMD_PORT"] = _epmdPort.ToString(CultureInfo.InvariantCulture),
            ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
            ["RABBITMQ_NODENAME"] = Name(node),
            ["RABBITMQ_NODE_PORT"] = Ports[node].ToString(CultureInfo.InvariantCulture),
            ["RABBITMQ_DIST_PORT"] = _distributionPorts[node].ToString(CultureInfo.InvariantCulture),
            ["RABBITMQ_MNESIA_BASE"] = Path.Combine(home, "mnesia"),
            ["RABBITMQ_LOG_BASE"] = Path.Combine(home, "log"),
            ["RABBITMQ_CONFIG_FILE"] = file,
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(_folder, "plugins"),
            ["RABBITMQ_CONF_ENV_FILE"] = "/dev/null",

            // Few threads that do not spin: three nodes, a database and workers share two processors.
            ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"

                // Certificates that are replaced are read again after half a second, not after two minutes.
                + " -ssl ssl_pem_cache_clean 500",

            // The script then becomes the node, instead of waiting for it.
            ["RABBITMQ_ALLOW_INPUT"] = "1",
        });
    }

    private string Name(int node) => $"{_prefix}n{node}@localhost";

    private string Said()
    {
        lock (_said)
        {
            return _said.ToString();
        }
    }

    private Process Begin(string program, string[] arguments, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        return ServerPrograms.Begin(start, _said);
    }
}
