using System.Device.I2c;

namespace Edge.Sensors.I2c;

/// <summary>
/// A Sensirion sensor, whose answers are words of two bytes and a CRC-8 each (polynomial 0x31, from 0xFF). A wrong one is an
/// error here, before a binding sees it: some bindings return the previous value, or zero, for a wrong checksum.
/// </summary>
internal sealed class ChecksumDevice(I2cDevice device) : I2cDevice
{
    private const int WordBytes = 3;

    public override I2cConnectionSettings ConnectionSettings => device.ConnectionSettings;

    public override void Read(Span<byte> buffer)
    {
        device.Read(buffer);
        Check(buffer);
    }

    public override void Write(ReadOnlySpan<byte> buffer) => device.Write(buffer);

    public override void WriteRead(ReadOnlySpan<byte> writeBuffer, Span<byte> readBuffer)
    {
        device.WriteRead(writeBuffer, readBuffer);
        Check(readBuffer);
    }

    /// <summary>The checksum of one word.</summary>
    internal static byte Checksum(ReadOnlySpan<byte> word)
    {
        byte crc = 0xFF;
        foreach (byte part in word)
        {
            crc ^= part;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (byte)((crc & 0x80) != 0 ? (crc << 1) ^ 0x31 : crc << 1);
            }
        }

        return crc;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            device.Dispose();
        }

        base.Dispose(disposing);
    }

    private static void Check(ReadOnlySpan<byte> answer)
    {
        for (; answer.Length >= WordBytes; answer = answer[WordBytes..])
        {
            if (Checksum(answer[..2]) != answer[2])
            {
                throw new IOException("its checksum is wrong");
            }
        }
    }
}
