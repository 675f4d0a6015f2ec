using System.Device.Gpio;
using System.Device.Gpio.Drivers;

namespace Edge.Sensors.Gpio;

/// <summary>The machine's GPIO chips.</summary>
internal static class GpioChips
{
    /// <summary>Opens a chip.</summary>
    /// <param name="chip">Its number, 0 for /dev/gpiochip0; null for the board's own pins and their numbers.</param>
    internal static GpioController Open(int? chip)
    {
        if (chip is not { } number)
        {
            return new GpioController();
        }

        // libgpiod, whichever of its two interfaces is installed.
        try
        {
            return new GpioController(new LibGpiodDriver(number));
        }
        catch (PlatformNotSupportedException)
        {
            return new GpioController(new LibGpiodV2Driver(number));
        }
    }
}
