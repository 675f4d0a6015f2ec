using System.Collections.Concurrent;
using System.Device.I2c;

namespace Edge.Sensors.I2c;

/// <summary>
/// A device behind a TCA9548A: its channel is selected before every transfer, so that earlier selections and power losses of the
/// multiplexer do not matter.
/// </summary>
internal sealed class MultiplexedDevice(I2cDevice multiplexer, int channel, I2cDevice device, int bus) : I2cDevice
{
    // Selecting and the transfer after it go together, on each bus.
    private static readonly ConcurrentDictionary<int, Lock> Gates = [];

    private readonly Lock _gate = Gates.GetOrAdd(bus, _ => new Lock());

    public override I2cConnectionSettings ConnectionSettings => device.ConnectionSettings;

    public override void Read(Span<byte> buffer)
    {
        lock (_gate)
        {
            Select();
            device.Read(buffer);
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        lock (_gate)
        {
            Select();
            device.Write(buffer);
        }
    }

    public override void WriteRead(ReadOnlySpan<byte> writeBuffer, Span<byte> readBuffer)
    {
        lock (_gate)
        {
            Select();
            device.WriteRead(writeBuffer, readBuffer);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            device.Dispose();
            multiplexer.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Select() => multiplexer.WriteByte((byte)(1 << channel));
}
