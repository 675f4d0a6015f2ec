namespace Edge.Runtime.Mqtt;

/// <summary>The version of the protocol.</summary>
internal enum MqttVersion
{
    /// <summary>MQTT 5.</summary>
    Five,

    /// <summary>MQTT 3.1.1, for a broker without MQTT 5: no content type, expiry, user properties or response topic.</summary>
    ThreeOneOne,
}

/// <summary>Options of the broker connection.</summary>
internal sealed record MqttOptions
{
    /// <summary>The port without TLS.</summary>
    internal const int PlainPort = 1883;

    /// <summary>The port with TLS.</summary>
    internal const int TlsPort = 8883;

    public string Host { get; init; } = "127.0.0.1";

    /// <summary>TCP port, 1..65535.</summary>
    public int Port { get; init; } = PlainPort;

    public MqttVersion Version { get; init; }

    public TlsOptions? Tls { get; init; }

    /// <summary>Path of the broker's WebSocket, such as <c>/mqtt</c>; null for plain TCP.</summary>
    public string? WebSocketPath { get; init; }

    /// <summary>Whether messages are retained.</summary>
    public RetainMode Retain { get; init; }

    /// <summary>Client id at the broker; null for <c>edge-DEVICE</c>. Further connections add a suffix to it.</summary>
    public string? ClientId { get; init; }

    public string? Username { get; init; }

    public string? Password { get; init; }
}

/// <summary>Files in PEM. Without a CA the system's trust store decides.</summary>
internal sealed record TlsOptions(string? CaFile, string? CertificateFile, string? KeyFile);
