using Edge.Onnx;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Runtime.Telemetry;

namespace Edge.Runtime.Configuration;

/// <summary>The whole of edge.yaml, checked. The options of each part are a record beside the class that they configure.</summary>
internal sealed record EdgeConfig
{
    /// <summary>Name of the device in topics, [a-z0-9_-]+.</summary>
    public required string Device { get; init; }

    /// <summary>Folder for what must outlive the process, or null.</summary>
    public string? StateFolder { get; init; }

    /// <summary>How often it is forced to the disk (fsync): what a power cut may cost. Zero for every tick.</summary>
    public TimeSpan Durability { get; init; } = TimeSpan.FromSeconds(5);

    public required MqttOptions Mqtt { get; init; }

    /// <summary>What is kept while the broker is away.</summary>
    public OutboxOptions Outbox { get; init; } = new();

    /// <summary>Who is told what this device publishes.</summary>
    public Discovery Discovery { get; init; }

    /// <summary>Where the kernel shows its devices.</summary>
    public string Sysfs { get; init; } = "/sys";

    /// <summary>Where new models come from; null for nowhere.</summary>
    public ModelUpdateOptions? Models { get; init; }

    /// <summary>What may be asked for over MQTT.</summary>
    public IReadOnlyList<CommandName> Commands { get; init; } = [];

    /// <summary>Metrics and health endpoints; null for none.</summary>
    public TelemetryOptions? Telemetry { get; init; }

    /// <summary>How models of engine onnx are computed.</summary>
    public OnnxOptions OnnxRuntime { get; init; } = new();

    public required IReadOnlyList<StreamConfig> Streams { get; init; }

    /// <summary>What is no mistake but should be changed, one sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
