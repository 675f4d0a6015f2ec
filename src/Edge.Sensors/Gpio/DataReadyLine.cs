using System.Device.Gpio;
using Edge.Inference;
using Edge.Sensors.Polling;

namespace Edge.Sensors.Gpio;

/// <summary>A data-ready line: calls back at each of its edges.</summary>
internal sealed class DataReadyLine : IDisposable
{
    private readonly GpioController _chip;

    /// <exception cref="InputException">The line cannot be opened.</exception>
    internal DataReadyLine(DataReadyOptions config, Action edge, Func<int?, GpioController> openChip)
    {
        try
        {
            _chip = openChip(config.Chip);
            _chip.OpenPin(config.Pin, PinMode.Input);
            _chip.RegisterCallbackForPinValueChangedEvent(
                config.Pin, config.Edge == LineEdge.Rising ? PinEventTypes.Rising : PinEventTypes.Falling, (_, _) => edge());
        }
        catch (Exception e)
        {
            // Drivers throw exceptions of any type.
            _chip?.Dispose();
            throw new InputException(
                $"The data-ready line, GPIO {config.Pin}, cannot be used: {e.Message.TrimEnd('.')}. "
                    + $"Check 'tick', and that the user is in group gpio.",
                e);
        }
    }

    public void Dispose() => _chip.Dispose();
}
