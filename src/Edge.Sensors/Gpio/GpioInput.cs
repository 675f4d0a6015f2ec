using System.Device.Gpio;
using Edge.Sensors.Polling;

namespace Edge.Sensors.Gpio;

/// <summary>A digital input: 0 or 1.</summary>
internal sealed class GpioInput(GpioInputOptions config, Func<int?, GpioController> openChip) : PolledDevice(config, "GPIO")
{
    private GpioController? _chip;

    internal override void Open()
    {
        _chip = openChip(config.Chip);
        _chip.OpenPin(
            config.Pin,
            config.Pull switch { Pull.Up => PinMode.InputPullUp, Pull.Down => PinMode.InputPullDown, _ => PinMode.Input });
    }

    internal override bool Read(Span<double> values)
    {
        values.Fill(_chip!.Read(config.Pin) == PinValue.High ? 1 : 0);
        return true;
    }

    internal override void Close()
    {
        _chip?.Dispose();
        _chip = null;
    }
}
