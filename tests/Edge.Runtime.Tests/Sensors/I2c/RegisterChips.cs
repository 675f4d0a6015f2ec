using System.Buffers.Binary;

namespace Edge.Runtime.Tests.Sensors.I2c;

/// <summary>Byte registers behind a pointer that moves on by itself; bits that only mean "move on" are masked away.</summary>
internal class RegisterChip(int addressBytes = 1, int addressMask = 0xFFFF) : SimulatedChip
{
    private readonly byte[] _memory = new byte[1 << 16];
    private int _pointer;

    internal RegisterChip With(int register, params byte[] data)
    {
        data.CopyTo(_memory, register);
        return this;
    }

    internal RegisterChip WithLittleEndian(int register, params short[] words)
    {
        for (int i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteInt16LittleEndian(_memory.AsSpan(register + (2 * i)), words[i]);
        }

        return this;
    }

    internal RegisterChip WithBigEndian(int register, params short[] words)
    {
        for (int i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteInt16BigEndian(_memory.AsSpan(register + (2 * i)), words[i]);
        }

        return this;
    }

    internal byte this[int register] => _memory[register];

    internal override void Write(ReadOnlySpan<byte> data)
    {
        _pointer = (addressBytes == 1 ? data[0] : BinaryPrimitives.ReadUInt16BigEndian(data)) & addressMask;
        foreach (byte value in data[addressBytes..])
        {
            Store(_pointer++, value);
        }
    }

    protected virtual void Store(int register, byte value) => _memory[register] = value;

    protected override void Read(Span<byte> data)
    {
        _memory.AsSpan(_pointer, data.Length).CopyTo(data);
        _pointer += data.Length;
    }
}

/// <summary>Registers of which only some can be written: what the others hold is the chip's own business.</summary>
internal sealed class ReadOnlyRegisterChip(int addressBytes = 1, int addressMask = 0xFFFF) : RegisterChip(addressBytes, addressMask)
{
    protected override void Store(int register, byte value)
    {
    }
}

/// <summary>
/// Registers of several bytes each, the pointer staying where it is: LM75, INA219, ADS1115, MCP9808, CCS811 and their kind.
/// </summary>
internal class WordChip : SimulatedChip
{
    private readonly Dictionary<int, byte[]> _registers = [];
    private int _pointer;

    internal WordChip With(int register, params byte[] data)
    {
        _registers[register] = data;
        return this;
    }

    internal WordChip WithBigEndian(int register, int word) => With(register, (byte)(word >> 8), (byte)word);

    internal override void Write(ReadOnlySpan<byte> data)
    {
        _pointer = data[0];
        if (data.Length > 1)
        {
            Store(_pointer, data[1..]);
        }
    }

    protected virtual void Store(int register, ReadOnlySpan<byte> data) => _registers[register] = data.ToArray();

    protected int Word(int register) => _registers.TryGetValue(register, out byte[]? data) ? BinaryPrimitives.ReadUInt16BigEndian(data) : 0;

    protected override void Read(Span<byte> data)
    {
        data.Clear();
        byte[] register = _registers.GetValueOrDefault(_pointer, []);
        register.AsSpan(0, Math.Min(register.Length, data.Length)).CopyTo(data);
    }
}

/// <summary>Answers to commands: each read gives what the last command asked for.</summary>
internal sealed class CommandChip(int commandBytes, Func<int, byte[]> answer) : SimulatedChip
{
    private int _command;

    internal override void Write(ReadOnlySpan<byte> data) =>
        _command = commandBytes == 1 ? data[0] : data.Length < 2 ? data[0] : BinaryPrimitives.ReadUInt16BigEndian(data);

    protected override void Read(Span<byte> data)
    {
        data.Clear();
        byte[] bytes = answer(_command);
        bytes.AsSpan(0, Math.Min(bytes.Length, data.Length)).CopyTo(data);
    }
}
