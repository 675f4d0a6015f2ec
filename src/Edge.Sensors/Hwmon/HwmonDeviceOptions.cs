using Edge.Sensors.Polling;

namespace Edge.Sensors.Hwmon;

/// <summary>One of the kernel's hardware monitoring chips.</summary>
/// <param name="Name">Text of its <c>name</c> file.</param>
/// <param name="At">Name of its node, to distinguish chips of the same name; or null.</param>
internal sealed record HwmonDeviceOptions(string Name, string? At) : DeviceOptions
{
    public override string ToString() => $"hwmon chip '{Name}'{(At is null ? "" : $" at {At}")}";
}
