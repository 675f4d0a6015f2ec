using System.Device.I2c;

namespace Edge.Runtime.Tests.Sensors.I2c;

/// <summary>An I2C bus with chips that speak their registers.</summary>
internal sealed class SimulatedBus : I2cBus
{
    private readonly Dictionary<int, SimulatedChip> _chips = [];

    internal SimulatedBus Add(int address, SimulatedChip chip)
    {
        _chips[address] = chip;
        return this;
    }

    public override I2cDevice CreateDevice(int deviceAddress) => new SimulatedDevice(this, deviceAddress);

    public override void RemoveDevice(int deviceAddress)
    {
    }

    /// <summary>The chip that acknowledges an address.</summary>
    internal SimulatedChip Acknowledge(int address)
    {
        // As Linux says it when nothing pulls the line down.
        if (!_chips.TryGetValue(address, out SimulatedChip? chip) || !chip.Acknowledges())
        {
            throw new IOException("Error 121 performing I2C data transfer.");
        }

        return chip;
    }

    private sealed class SimulatedDevice(SimulatedBus bus, int address) : I2cDevice
    {
        public override I2cConnectionSettings ConnectionSettings { get; } = new(1, address);

        public override void Read(Span<byte> buffer) => bus.Acknowledge(address).ReadOut(buffer);

        public override void Write(ReadOnlySpan<byte> buffer) => bus.Acknowledge(address).Write(buffer);

        public override void WriteRead(ReadOnlySpan<byte> writeBuffer, Span<byte> readBuffer)
        {
            Write(writeBuffer);
            Read(readBuffer);
        }
    }
}

/// <summary>A chip on a simulated bus, with everything that can be wrong with it.</summary>
internal abstract class SimulatedChip
{
    private readonly object _gate = new();
    private bool _hangs;

    /// <summary>Whether it is there at all.</summary>
    internal bool IsGone { get; set; }

    /// <summary>Transfers that it will not acknowledge.</summary>
    internal int Nacks { get; set; }

    /// <summary>Reads whose first byte will arrive with a bit flipped.</summary>
    internal int Corruptions { get; set; }

    internal bool IsHanging { get; private set; }

    internal void Hang() => _hangs = true;

    internal void GoOn()
    {
        lock (_gate)
        {
            _hangs = false;
            Monitor.PulseAll(_gate);
        }
    }

    internal bool Acknowledges()
    {
        lock (_gate)
        {
            while (_hangs)
            {
                IsHanging = true;
                Monitor.Wait(_gate);
            }

            IsHanging = false;
        }

        return !IsGone && Nacks-- <= 0;
    }

    internal abstract void Write(ReadOnlySpan<byte> data);

    internal void ReadOut(Span<byte> data)
    {
        Read(data);
        if (Corruptions-- > 0)
        {
            data[0] ^= 0x10;
        }
    }

    protected abstract void Read(Span<byte> data);
}
