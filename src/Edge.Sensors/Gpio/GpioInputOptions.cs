using System.Globalization;
using Edge.Sensors.Polling;

namespace Edge.Sensors.Gpio;

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
internal sealed record GpioInputOptions(int? Chip, int Pin, Pull Pull) : DeviceOptions
{
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"GPIO {Pin}{(Chip is { } chip ? $" of gpiochip{chip}" : "")}");
}
