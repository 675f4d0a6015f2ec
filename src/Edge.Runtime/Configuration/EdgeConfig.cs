using Edge.Onnx;
using Edge.Runtime.Control;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Runtime.Telemetry;
using Edge.Runtime.Web;

namespace Edge.Runtime.Configuration;

/// <summary>The whole of edge.yaml, checked. The options of each part are a record beside the class that they configure.</summary>
internal sealed record EdgeConfig
{
    /// <summary>Path of the file.</summary>
    public string File { get; init; } = "";

    /// <summary>Name of the device in topics, [a-z0-9_-]+.</summary>
    public required string Device { get; init; }

    /// <summary>Folder of the stored state, or null for none.</summary>
    public string? StateFolder { get; init; }

    /// <summary>Longest time between two fsyncs, which is what a power cut may cost. Zero for an fsync at every tick.</summary>
    public TimeSpan Durability { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Shortest and longest <see cref="Durability"/> but zero.</summary>
    internal static (TimeSpan Min, TimeSpan Max) DurabilityRange { get; } = (TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1));

    /// <summary>Limits of the stored rows.</summary>
    public HistoryOptions History { get; init; } = new();

    public required MqttOptions Mqtt { get; init; }

    /// <summary>Limits of the messages that wait for the broker.</summary>
    public OutboxOptions Outbox { get; init; } = new();

    /// <summary>Home automation that gets a description of this device.</summary>
    public DiscoveryOptions Discovery { get; init; } = new();

    /// <summary>Where the kernel shows its devices.</summary>
    public string Sysfs { get; init; } = "/sys";

    /// <summary>Where new models come from; null for no updates.</summary>
    public ModelUpdateOptions? Models { get; init; }

    /// <summary>Commands that are allowed over MQTT.</summary>
    public IReadOnlyList<CommandName> Commands { get; init; } = [];

    /// <summary>Metrics and health endpoints; null for none.</summary>
    public TelemetryOptions? Telemetry { get; init; }

    /// <summary>The page; null for none.</summary>
    public WebOptions? Web { get; init; }

    /// <summary>Settings of ONNX Runtime, for models of engine onnx.</summary>
    public OnnxOptions OnnxRuntime { get; init; } = new();

    public required IReadOnlyList<StreamConfig> Streams { get; init; }

    /// <summary>
    /// What could not be read because the environment lacks it, such as a credential of systemd: one sentence each. The service refuses to
    /// start with any; <c>check</c> reports that it cannot know.
    /// </summary>
    public IReadOnlyList<string> Unknown { get; init; } = [];

    /// <summary>Settings that work but should be changed, one sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
