using System.Globalization;

namespace Edge.Runtime.Configuration;

/// <summary>Live channels, each from a source of its own, brought together at every tick.</summary>
internal sealed record ChannelsConfig : SourceConfig
{
    public required IReadOnlyList<ChannelConfig> Channels { get; init; }

    /// <summary>A data-ready line whose edges are the ticks; null for a tick every period.</summary>
    public GpioTickConfig? Tick { get; init; }
}

/// <summary>What becomes of the values that came between two ticks.</summary>
internal enum Aggregate
{
    Last,
    Mean,
    Min,
    Max,
}

/// <summary>One of the model's columns and where it comes from.</summary>
internal sealed record ChannelConfig
{
    public required string Column { get; init; }

    /// <summary>Channels with equal devices share one reading of it.</summary>
    public required DeviceConfig Device { get; init; }

    /// <summary>What of the device: a driver's channel, a file, a JSON path.</summary>
    public required string Read { get; init; }

    /// <summary>The channel is <c>Scale · value + Offset</c>.</summary>
    public double Scale { get; init; } = 1;

    public double Offset { get; init; }

    /// <summary>Least value the channel can have, in its unit; NaN for what the driver knows.</summary>
    public double Min { get; init; } = double.NaN;

    /// <summary>Largest value the channel can have, in its unit; NaN for what the driver knows.</summary>
    public double Max { get; init; } = double.NaN;

    public Aggregate Aggregate { get; init; } = Aggregate.Last;

    /// <summary>Time from sample to sample; null for one a tick.</summary>
    public TimeSpan? Every { get; init; }

    /// <summary>For values that arrive by themselves: how long one counts as current; null for a period.</summary>
    public TimeSpan? AgeMax { get; init; }

    /// <summary>Ticks with the very same value after which the channel is called stuck; 0 for never.</summary>
    public int StuckTicks { get; init; }
}

/// <summary>What a channel reads; equal configurations are one device.</summary>
internal abstract record DeviceConfig;

/// <summary>A device on an I2C bus, through Iot.Device.Bindings.</summary>
/// <param name="Bus">Number of the bus: 1 is /dev/i2c-1.</param>
/// <param name="Address">7-bit address, 0x03..0x77.</param>
/// <param name="Driver">Name of the driver.</param>
/// <param name="Multiplexer">Address of a TCA9548A between bus and device, or null.</param>
/// <param name="MultiplexerChannel">Its channel, 0..7.</param>
/// <param name="Options">The driver's own settings.</param>
internal sealed record I2cDeviceConfig(int Bus, int Address, string Driver, int? Multiplexer, int MultiplexerChannel, DriverOptions Options) : DeviceConfig
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Driver} at 0x{Address:x2} on I2C bus {Bus}{(Multiplexer is { } mux ? $", multiplexer 0x{mux:x2} channel {MultiplexerChannel}" : "")}");
}

/// <summary>A driver's settings, NaN where not given.</summary>
/// <param name="Gain">ads1115: full scale in volts (6.144, 4.096, 2.048, 1.024, 0.512, 0.256); mcp3428: 1, 2, 4 or 8.</param>
/// <param name="Shunt">ina219, ina236: shunt resistance in ohms.</param>
internal readonly record struct DriverOptions(double Gain, double Shunt)
{
    public static DriverOptions None { get; } = new(double.NaN, double.NaN);
}

/// <summary>One of the kernel's Industrial I/O devices.</summary>
/// <param name="Name">What the device calls itself in its <c>name</c> file.</param>
/// <param name="At">Name of the node it sits on, such as 1-0076, to tell two of a name apart; or null.</param>
internal sealed record IioDeviceConfig(string Name, string? At) : DeviceConfig
{
    public override string ToString() => $"IIO device '{Name}'{(At is null ? "" : $" at {At}")}";
}

/// <summary>One of the kernel's hardware monitoring chips.</summary>
/// <param name="Name">What the chip calls itself in its <c>name</c> file.</param>
/// <param name="At">Name of the node it sits on, to tell two of a name apart; or null.</param>
internal sealed record HwmonDeviceConfig(string Name, string? At) : DeviceConfig
{
    public override string ToString() => $"hwmon chip '{Name}'{(At is null ? "" : $" at {At}")}";
}

/// <summary>A topic whose messages carry numbers.</summary>
/// <param name="Topic">A topic, without wildcards.</param>
/// <param name="TimePath">Where a message carries its own time, or null.</param>
internal sealed record MqttDeviceConfig(string Topic, string? TimePath) : DeviceConfig
{
    public override string ToString() => $"MQTT topic '{Topic}'";
}

/// <summary>Where a digital input's resistor pulls it.</summary>
internal enum Pull
{
    None,
    Up,
    Down,
}

/// <summary>A digital input: 0 or 1.</summary>
/// <param name="Chip">Number of the chip, 0 for /dev/gpiochip0; null for the board's own pins and their numbers.</param>
/// <param name="Pin">Line on it.</param>
/// <param name="Pull">Where its resistor pulls it.</param>
internal sealed record GpioDeviceConfig(int? Chip, int Pin, Pull Pull) : DeviceConfig
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"GPIO {Pin}{(Chip is { } chip ? $" of gpiochip{chip}" : "")}");
}

/// <summary>Which edge of a data-ready line is a tick.</summary>
internal enum Edge
{
    Rising,
    Falling,
}

/// <param name="Chip">As for a digital input.</param>
/// <param name="Pin">Line on it.</param>
/// <param name="Edge">Which edge is a tick.</param>
internal sealed record GpioTickConfig(int? Chip, int Pin, Edge Edge);
