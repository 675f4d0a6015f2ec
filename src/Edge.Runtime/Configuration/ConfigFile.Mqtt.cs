using System.Net;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;

namespace Edge.Runtime.Configuration;

/// <summary>The part of edge.yaml that describes the broker.</summary>
internal static partial class ConfigFile
{
    private static (MqttOptions Mqtt, OutboxOptions Outbox, Discovery Discovery) ReadMqtt(YamlMap map, List<string> warnings)
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

        string host = map.RequiredText("host", "the broker's name or address");
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
        };
        Discovery discovery = map.Choice("discovery", Discovery.None);
        map.RejectUnknown();
        return (mqtt, outbox, discovery);
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
