using Edge.Sensors.Polling;

namespace Edge.Sensors.Iio;

/// <summary>One of the kernel's Industrial I/O devices.</summary>
/// <param name="Name">What the device calls itself in its <c>name</c> file.</param>
/// <param name="At">Name of the node it sits on, such as 1-0076, to tell two of a name apart; or null.</param>
internal sealed record IioDeviceOptions(string Name, string? At) : DeviceOptions
{
    public override string ToString() => $"IIO device '{Name}'{(At is null ? "" : $" at {At}")}";
}
