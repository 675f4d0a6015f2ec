using System.Device.Gpio;
using Edge.Inference;

namespace Edge.Sensors.Gpio;

/// <summary>An output that is high while an anomaly is open.</summary>
internal sealed class AlarmPin : IDisposable
{
    private readonly GpioController _chip;
    private readonly int _pin;

    /// <exception cref="InputException">The line cannot be opened.</exception>
    internal AlarmPin(int pin, Func<int?, GpioController> openChip)
    {
        _pin = pin;
        try
        {
            _chip = openChip(null);
            _chip.OpenPin(pin, PinMode.Output, PinValue.Low);
        }
        catch (Exception e)
        {
            // Drivers throw exceptions of any type.
            _chip?.Dispose();
            throw new InputException(
                $"The alarm pin, GPIO {pin}, cannot be used: {e.Message.TrimEnd('.')}. "
                    + $"Check 'anomaly.alarm_pin', and that the user is in group gpio.",
                e);
        }
    }

    internal void Set(bool isOn) => _chip.Write(_pin, isOn ? PinValue.High : PinValue.Low);

    /// <summary>Low, so that a siren does not continue after the service has stopped.</summary>
    public void Dispose()
    {
        _chip.Write(_pin, PinValue.Low);
        _chip.Dispose();
    }
}
