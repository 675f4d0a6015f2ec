using System.Runtime.InteropServices;
using System.Text;

namespace Edge.Streams;

/// <summary>
/// Reads or writes a stream's state as bytes: each class lists its fields once, and each line writes the field or reads it
/// back. Little-endian; the same fields give the same bytes.
/// </summary>
internal sealed class StreamSnapshot
{
    private readonly BinaryWriter? _to;
    private readonly BinaryReader? _from;

    private StreamSnapshot(BinaryWriter? to, BinaryReader? from)
    {
        _to = to;
        _from = from;
    }

    /// <summary>Whether fields are read back rather than written.</summary>
    internal bool IsReading => _from is not null;

    /// <summary>Appends fields to a stream.</summary>
    internal static StreamSnapshot Write(Stream to) => new(new BinaryWriter(to, Encoding.UTF8, leaveOpen: true), null);

    /// <summary>Reads fields in the order in which they were written.</summary>
    internal static StreamSnapshot Read(Stream from) => new(null, new BinaryReader(from, Encoding.UTF8, leaveOpen: true));

    internal long Field(long value)
    {
        if (_from is not null)
        {
            return _from.ReadInt64();
        }

        _to!.Write(value);
        return value;
    }

    internal int Field(int value)
    {
        if (_from is not null)
        {
            return _from.ReadInt32();
        }

        _to!.Write(value);
        return value;
    }

    internal double Field(double value)
    {
        if (_from is not null)
        {
            return _from.ReadDouble();
        }

        _to!.Write(value);
        return value;
    }

    internal bool Field(bool value)
    {
        if (_from is not null)
        {
            return _from.ReadBoolean();
        }

        _to!.Write(value);
        return value;
    }

    internal byte Field(byte value)
    {
        if (_from is not null)
        {
            return _from.ReadByte();
        }

        _to!.Write(value);
        return value;
    }

    internal DateTime Field(DateTime value) => new(Field(value.Ticks), DateTimeKind.Utc);

    /// <summary>An array of fixed length, in place.</summary>
    internal void Fields<T>(Span<T> values)
        where T : unmanaged
    {
        Span<byte> bytes = MemoryMarshal.AsBytes(values);
        if (_from is null)
        {
            _to!.Write(bytes);
        }
        else
        {
            _from.BaseStream.ReadExactly(bytes);
        }
    }

    /// <summary>An array that carries its length.</summary>
    /// <param name="value">Called only when writing.</param>
    internal byte[] Bytes(Func<byte[]> value)
    {
        if (_from is not null)
        {
            return _from.ReadBytes(_from.ReadInt32());
        }

        byte[] bytes = value();
        _to!.Write(bytes.Length);
        _to.Write(bytes);
        return bytes;
    }
}
