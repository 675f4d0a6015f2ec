using System.Net;
using Edge.Inference;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;

namespace Edge.Runtime.Configuration;

/// <summary>The part of edge.yaml that describes the broker.</summary>
internal static partial class ConfigFile
{
    private static (MqttOptions Mqtt, OutboxOptions Outbox, DiscoveryOptions Discovery) ReadMqtt(YamlMap map, List<string> warnings)
    {
        TlsOptions? tls = null;
        if (map.Map("tls") is { } tlsMap)
        {
            tls = new TlsOptions(tlsMap.Text("ca"), tlsMap.Text("certificate"), tlsMap.Text("key"));
            if (tls.CertificateFile is null != tls.KeyFile is null)
            {
                tlsMap.Fail("certificate", "'certificate' and 'key' must be given together");
            }

            tlsMap.RejectUnknown();
        }

        OutboxOptions outbox = new();
        if (map.Map("outbox") is { } outboxMap)
        {
            outbox = new OutboxOptions
            {
                SizeMaxBytes = outboxMap.Bytes("max_size", outbox.SizeMaxBytes),
                AgeMax = outboxMap.Duration("max_age") ?? outbox.AgeMax,
            };
            outboxMap.RejectUnknown();
        }

        string? username = map.Secret("username");
        string? password = map.Secret("password");
        if (password is not null && username is null)
        {
            map.Fail("password", "'password' needs a 'username'");
        }

        string host = ReadHost(map);
        string? plaintext = map.Text("plaintext_password");
        if (plaintext is not null and not "allowed")
        {
            map.Fail("plaintext_password", $"'plaintext_password' must be 'allowed', not '{plaintext}'");
        }
        else if (password is not null && tls is null && plaintext is null && !IsLoopback(host))
        {
            map.Fail(
                "password",
                $"the password would be sent to {host} unencrypted: configure 'tls', or set 'plaintext_password: allowed'");
        }

        // Versions before chose between two clients here. Drop this with the next version.
        if (map.TakeObsolete("client"))
        {
            warnings.Add("mqtt.client is no longer needed and is ignored: MQTTnet is the only client. Remove the line.");
        }

        var mqtt = new MqttOptions
        {
            Host = host,
            Port = map.Whole("port", tls is null ? MqttOptions.PlainPort : MqttOptions.TlsPort, 1, 65535),
            Version = ReadVersion(map),
            Tls = tls,
            Username = username,
            Password = password,
            WebSocketPath = ReadWebSocket(map),
            Retain = map.Choice("retain", RetainMode.Auto),
            ClientId = ReadClientId(map),
        };
        var discovery = new DiscoveryOptions
        {
            For = map.Choice("discovery", Discovery.None),
            Prefix = ReadTopicText(map, "discovery_prefix") ?? new DiscoveryOptions().Prefix,
            BirthTopic = ReadTopicText(map, "birth_topic"),
        };
        map.RejectUnknown();
        return (mqtt, outbox, discovery);
    }

    // A name or an address alone: what a URL has besides them has keys of its own.
    private static string ReadHost(YamlMap map)
    {
        string host = map.RequiredText("host", "the broker's name or address");
        int scheme = host.IndexOf("://", StringComparison.Ordinal);
        if (scheme >= 0)
        {
            string name = PrintableText.Of(host[..scheme], 20);
            string advice = name switch
            {
                "ws" => "set 'websocket' to its path, such as /mqtt",
                "wss" => "set 'websocket' to its path, such as /mqtt, and 'tls'",
                "mqtts" or "ssl" or "tls" => "set 'tls'",
                _ => "leave it out",
            };
            map.Fail("host", $"'host' must be a name or an address without {name}://: {advice}; a port belongs to 'port'");
            return "";
        }

        if (host.StartsWith('[') && host.EndsWith(']'))
        {
            host = host[1..^1];
        }

        bool isAddress = IPAddress.TryParse(host, out _);
        if (!isAddress && host.Contains(':'))
        {
            map.Fail("host", "'host' must be a name or an address without a port: set 'port'");
        }
        else if (!isAddress && host.Length > 0 && Uri.CheckHostName(host) == UriHostNameType.Unknown)
        {
            map.Fail("host", $"'host' must be a name or an address, not '{host}'");
        }

        return host;
    }

    private static string? ReadWebSocket(YamlMap map)
    {
        string? path = map.Text("websocket");
        if (path is not null && (!path.StartsWith('/') || !Uri.IsWellFormedUriString(path, UriKind.Relative)))
        {
            map.Fail("websocket", $"'websocket' must be a path such as /mqtt, not '{path}'");
        }

        return path;
    }

    // MQTT 3.1.1, section 3.1.3.1: a server may refuse other letters; 23 bytes are all that it must take.
    private static string? ReadClientId(YamlMap map)
    {
        string? id = map.Text("client_id");
        if (id is not null && (id.Length is 0 or > 128 || id.Any(letter => letter is < ' ' or '\u007f' or '#' or '+')))
        {
            map.Fail("client_id", "'client_id' must have 1 to 128 characters, without control characters, # and +");
        }

        return id;
    }

    private static string? ReadTopicText(YamlMap map, string key)
    {
        string? topic = map.Text(key);
        if (topic is not null && (topic.Length is 0 or > 256 || topic.AsSpan().IndexOfAny('#', '+', '\0') >= 0 || topic.EndsWith('/')))
        {
            map.Fail(key, $"'{key}' must be a topic of at most 256 characters, without wildcards and without a / at its end");
        }

        return topic;
    }

    private static bool IsLoopback(string host) =>
        host == "localhost" || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));

    private static MqttVersion ReadVersion(YamlMap map)
    {
        switch (map.Text("version"))
        {
            case null or "5":
                return MqttVersion.Five;
            case "3.1.1":
                return MqttVersion.ThreeOneOne;
            case var text:
                map.Fail("version", $"'version' must be 5 or 3.1.1, not '{text}'");
                return MqttVersion.Five;
        }
    }
}
