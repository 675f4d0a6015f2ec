using Edge.Sensors.Polling;

namespace Edge.Sensors.Hwmon;

/// <summary>One of the kernel's hardware monitoring chips.</summary>
/// <param name="Name">What the chip calls itself in its <c>name</c> file.</param>
/// <param name="At">Name of the node it sits on, to tell two of a name apart; or null.</param>
internal sealed record HwmonDeviceOptions(string Name, string? At) : DeviceOptions
{
    public override string ToString() => $"hwmon chip '{Name}'{(At is null ? "" : $" at {At}")}";
}
