using Edge.Streams;
using Edge.Streams.Forecasting;

namespace Edge.Runtime.Mqtt;

/// <summary>Class of a message, in the order in which a full outbox evicts them.</summary>
internal enum MessageClass
{
    Reading,
    Forecast,

    /// <summary>Anomalies, states, health: evicted last.</summary>
    Event,
}

/// <summary>One message to the broker.</summary>
internal sealed record MqttMessage
{
    /// <summary>Its id in the stored outbox; 0 without a store.</summary>
    public long Id { get; set; }

    public required string Topic { get; init; }

    public required ReadOnlyMemory<byte> Payload { get; init; }

    public required MessageClass Class { get; init; }

    /// <summary>0 or 1.</summary>
    public int QualityOfService { get; init; } = 1;

    public bool Retain { get; init; }

    /// <summary>MQTT 5 content type, or null.</summary>
    public string? ContentType { get; init; }

    /// <summary>MQTT 5 message expiry in seconds, or null for never.</summary>
    public uint? ExpirySeconds { get; init; }

    /// <summary>MQTT 5 correlation data of an answer; empty for none.</summary>
    public ReadOnlyMemory<byte> CorrelationData { get; init; }

    /// <summary>Number of the tick that it is of, the user property <c>seq</c> of MQTT 5; 0 for none.</summary>
    public long Seq { get; init; }

    /// <summary>Short name of the model that it is of, the user property <c>model</c> of MQTT 5; null for none.</summary>
    public string? Model { get; init; }
}
