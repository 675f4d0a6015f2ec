using Edge.Cluster.Broker;
using Edge.Cluster.Pipeline;
using Edge.Cluster.Storage;
using Edge.Cluster.Workers;
using Edge.Inference;
using Edge.Runtime;
using Edge.Runtime.Configuration;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Forecasting;

namespace Edge.Cluster.Configuration;

/// <summary>Reads the whole of cluster.yaml before anything starts, as edge.yaml is read.</summary>
internal static class ClusterConfigFile
{
    private const string Keys = "rabbitmq, postgresql and streams";
    private const int NodesMax = 32;
    private const int PrefixMax = 64;
    private static readonly TimeSpan PeriodMin = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan PeriodMax = TimeSpan.FromDays(366);

    /// <exception cref="InputException">The file cannot be read or has mistakes: one line each, with line and column.</exception>
    internal static ClusterConfig Load(string path) => Parse(ConfigFile.ReadText(path), path);

    internal static ClusterConfig Parse(string text, string path)
    {
        var errors = new ConfigErrors(path);
        YamlMap root = ConfigFile.Root(text, path, Keys, errors);
        ClusterConfig config = ReadRoot(root, Path.GetDirectoryName(Path.GetFullPath(path))!);
        errors.ThrowIfAny();
        return errors.Unknown.Count == 0 ? config : throw new InputException($"{path}: {string.Join("; ", errors.Unknown)}.");
    }

    private static ClusterConfig ReadRoot(YamlMap root, string folder)
    {
        int partitions = root.Whole("partitions", 16, ClusterConfig.PartitionsMin, ClusterConfig.PartitionsMax);
        if (!root.Has("rabbitmq"))
        {
            root.Fail("rabbitmq", "'rabbitmq' is missing (where the broker is)");
        }

        if (!root.Has("postgresql"))
        {
            root.Fail("postgresql", "'postgresql' is missing (where the database is)");
        }

        BrokerOptions broker = root.Map("rabbitmq") is { } rabbitmq ? ReadBroker(rabbitmq, folder) : new BrokerOptions();
        DatabaseOptions database = root.Map("postgresql") is { } postgresql ? ReadDatabase(postgresql, folder) : new DatabaseOptions();
        WorkerOptions worker = root.Map("worker") is { } workerMap ? ReadWorker(workerMap) : new WorkerOptions();
        StreamRule[] streams = [.. root.Maps("streams").Select(map => ReadRule(map, folder)).OfType<StreamRule>()];
        if (!root.Has("streams"))
        {
            root.Fail("streams", "'streams' must list at least one pattern of topics");
        }

        foreach (string twice in streams.GroupBy(rule => rule.Topics.Text).Where(group => group.Count() > 1).Select(group => group.Key))
        {
            root.Fail("streams", $"two entries have the topics '{twice}'");
        }

        var config = new ClusterConfig
        {
            Broker = broker,
            Database = database,
            Partitions = partitions,
            Worker = worker,
            Streams = streams,
            Telemetry = ConfigFile.ReadTelemetry(root),
        };
        root.RejectUnknown();
        return config;
    }

    private static BrokerOptions ReadBroker(YamlMap map, string folder)
    {
        var defaults = new BrokerOptions();
        TlsOptions? tls = ReadTls(map, folder);
        (TimeSpan shortest, TimeSpan longest) = BrokerOptions.HeartbeatRange;
        var broker = new BrokerOptions
        {
            Nodes = ReadNodes(map, tls is null ? BrokerOptions.PlainPort : BrokerOptions.TlsPort),
            VirtualHost = map.Text("virtual_host") ?? defaults.VirtualHost,
            Username = map.Text("username") ?? defaults.Username,
            Password = map.Secret("password") ?? defaults.Password,
            Tls = tls,
            Prefix = map.Text("prefix") ?? defaults.Prefix,
            Prefetch = map.Whole("prefetch", defaults.Prefetch, BrokerOptions.PrefetchMin, BrokerOptions.PrefetchMax),
            Heartbeat = map.Duration("heartbeat", shortest, longest) ?? defaults.Heartbeat,
        };
        if (broker.Prefix.Length > PrefixMax || !ConfigFile.IsName(broker.Prefix))
        {
            map.Fail("prefix", $"'prefix' is '{broker.Prefix}'; use 1 to {PrefixMax} of the letters a-z, digits, _ and -");
        }

        map.RejectUnknown();
        return broker;
    }

    private static TlsOptions? ReadTls(YamlMap map, string folder)
    {
        if (map.Map("tls") is not { } tlsMap)
        {
            return null;
        }

        var tls = new TlsOptions(PathOf("ca"), PathOf("certificate"), PathOf("key"));
        if (tls.CertificateFile is null != tls.KeyFile is null)
        {
            tlsMap.Fail("certificate", "'certificate' and 'key' must be given together");
        }

        tlsMap.RejectUnknown();
        return tls;

        string? PathOf(string key) => tlsMap.Text(key) is { } file ? Path.Combine(folder, file) : null;
    }

    private static BrokerNode[] ReadNodes(YamlMap map, int usualPort)
    {
        IReadOnlyList<string> texts = map.TextOrTexts("hosts");
        if (texts.Count is 0 or > NodesMax)
        {
            map.Fail("hosts", $"'hosts' must list 1 to {NodesMax} nodes of RabbitMQ, such as [rabbit-1, rabbit-2:5673]");
        }

        return [.. texts.Select(text => ReadNode(map, text, usualPort))];
    }

    private static BrokerNode ReadNode(YamlMap map, string text, int usualPort)
    {
        int colon = text.IndexOf(':');
        string host = colon < 0 ? text : text[..colon];
        if (Uri.CheckHostName(host) == UriHostNameType.Unknown)
        {
            map.Fail("hosts", $"'hosts' has '{text}', which is no name or address, with or without :PORT");
        }

        int port = usualPort;
        if (colon >= 0 && (!int.TryParse(text.AsSpan(colon + 1), out port) || port is < 1 or > 65535))
        {
            map.Fail("hosts", $"'hosts' has '{text}'; a port is a number from 1 to 65535");
        }

        return new BrokerNode(host, port);
    }

    private static DatabaseOptions ReadDatabase(YamlMap map, string folder)
    {
        var defaults = new DatabaseOptions();
        (TimeSpan shortest, TimeSpan longest) = DatabaseOptions.PatienceRange;
        var database = new DatabaseOptions
        {
            Host = map.RequiredText("host", "the database's name or address"),
            Port = map.Whole("port", DatabaseOptions.UsualPort, 1, 65535),
            Database = map.Text("database") ?? defaults.Database,
            Username = map.Text("username") ?? defaults.Username,
            Password = map.Secret("password"),
            Tls = ReadTls(map, folder),
            Patience = map.Duration("patience", shortest, longest) ?? defaults.Patience,
        };
        map.RejectUnknown();
        return database;
    }

    private static WorkerOptions ReadWorker(YamlMap map)
    {
        var defaults = new WorkerOptions();
        (TimeSpan shortest, TimeSpan longest) = WorkerOptions.IdleRange;
        var worker = new WorkerOptions
        {
            Batch = map.Whole("batch", defaults.Batch, WorkerOptions.BatchMin, WorkerOptions.BatchMax),
            Streams = map.Whole("streams", defaults.Streams, WorkerOptions.StreamsMin, WorkerOptions.StreamsMax),
            Idle = map.Duration("idle", shortest, longest) ?? defaults.Idle,
        };
        map.RejectUnknown();
        return worker;
    }

    private static StreamRule? ReadRule(YamlMap map, string folder)
    {
        string text = map.RequiredText("topics", "topics whose messages are rows, such as plant/+/rows");
        TopicPattern? topics = TopicPattern.Parse(text);
        if (topics is null && text.Length > 0)
        {
            map.Fail(
                "topics",
                $"'topics' is '{text}'; it must have one + for the device's name, or two for the device's and the stream's, "
                    + "and no # or dot");
        }

        string? name = map.Text("name") is not null ? ConfigFile.Name(map, "name", "the streams' name in topics") : null;
        if (topics is not null && topics.NamesStream == name is not null)
        {
            map.Fail(
                "name",
                topics.NamesStream
                    ? "'name' is not for topics with two +: the second one is the stream's name"
                    : "'name' is missing (the streams' name in topics)");
        }

        string model = map.RequiredText("model", "a .safetensors file of edge-quantize, or demo");
        ForecastOptions forecast = ConfigFile.ReadForecast(map);
        AnomalyOptions anomaly = ConfigFile.ReadAnomaly(map, out int? pin);
        if (forecast.Horizon > 1)
        {
            map.Fail("forecast", "'forecast.horizon' is not for edge-cluster: train a model with outputs for the ticks ahead");
        }

        if (pin is not null)
        {
            map.Fail("anomaly", "'anomaly.alarm_pin' is not for edge-cluster, which has no pins");
        }

        var options = new StreamOptions
        {
            Name = name ?? "stream",
            Period = map.Duration("period", PeriodMin, PeriodMax),
            HoldTicks = map.Whole("hold", 5, 0, StreamOptions.HoldTicksMax),
            Forecast = forecast,
            Anomaly = anomaly,
            Limits = ConfigFile.ReadLimits(map),
        };
        // Every key is read, whatever is wrong with the topics: else it would be an unknown key.
        var rule = new StreamRule
        {
            Topics = topics ?? TopicPattern.Parse("+")!,
            Name = name,
            Model = model == "demo" ? model : Path.Combine(folder, model),
            Options = options,
            Publish = ConfigFile.ReadPublish(map),
            TimePath = ConfigFile.JsonPathText(map, "time") ?? "$.time",
            NumberPath = ConfigFile.JsonPathText(map, "number"),
            Values = ConfigFile.ReadPaths(map),
            Numbers = ConfigFile.ReadNumbers(map),
            Times = ConfigFile.ReadTimes(map),
        };
        map.RejectUnknown();
        return topics is null ? null : rule;
    }
}
