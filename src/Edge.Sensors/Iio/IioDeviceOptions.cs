using Edge.Sensors.Polling;

namespace Edge.Sensors.Iio;

/// <summary>One of the kernel's Industrial I/O devices.</summary>
/// <param name="Name">Text of its <c>name</c> file.</param>
/// <param name="At">Name of its node, such as 1-0076, to distinguish devices of the same name; or null.</param>
internal sealed record IioDeviceOptions(string Name, string? At) : DeviceOptions
{
    public override string ToString() => $"IIO device '{Name}'{(At is null ? "" : $" at {At}")}";
}
