using Edge.Sensors;
using Edge.Sensors.Polling;

namespace Edge.Runtime.Mqtt;

/// <summary>A topic whose messages carry numbers.</summary>
/// <param name="Topic">A topic, without wildcards.</param>
/// <param name="TimePath">Where a message carries its own time, or null.</param>
internal sealed record MqttTopicOptions(string Topic, string? TimePath) : DeviceOptions
{
    /// <summary>How numbers in text are written.</summary>
    public NumberOptions Numbers { get; init; } = new();

    /// <summary>How times are written.</summary>
    public TimeOptions Times { get; init; } = new();

    internal override bool IsPushed => true;

    public override string ToString() => $"MQTT topic '{Topic}'";
}
