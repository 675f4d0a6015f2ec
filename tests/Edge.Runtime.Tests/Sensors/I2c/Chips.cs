using System.Buffers.Binary;
using Edge.Runtime.Delivery;
using Edge.Sensors.I2c;

namespace Edge.Runtime.Tests.Sensors.I2c;

/// <summary>Chips that hold given physical values, by their data sheets.</summary>
internal static class Chips
{
    /// <summary>Two bytes and their checksum, for each word.</summary>
    internal static byte[] Sensirion(params int[] words) =>
        [.. words.SelectMany(word => (byte[])[(byte)(word >> 8), (byte)word, ChecksumDevice.Checksum([(byte)(word >> 8), (byte)word])])];

    internal static CommandChip Sht4x(double celsius, double percent) =>
        new(1, _ => Sensirion((int)Math.Round((celsius + 45) / 175 * 65535), (int)Math.Round((percent + 6) / 125 * 65535)));

    internal static CommandChip Sht3x(double celsius, double percent) =>
        new(2, _ => Sensirion((int)Math.Round((celsius + 45) / 175 * 65535), (int)Math.Round(percent / 100 * 65535)));

    internal static CommandChip Shtc3(double celsius, double percent) =>
        new(2, _ => Sensirion((int)Math.Round((celsius + 45) / 175 * 65536), (int)Math.Round(percent / 100 * 65536)));

    internal static CommandChip Scd4x(int ppm, double celsius, double percent) => new(2, command => command switch
    {
        0xe4b8 => Sensirion(0x8006),
        _ => Sensirion(ppm, (int)Math.Round((celsius + 45) / 175 * 65535), (int)Math.Round(percent / 100 * 65535)),
    });

    /// <summary>Eleven bits, an eighth of a degree each.</summary>
    internal static WordChip Lm75(double celsius) => new WordChip().WithBigEndian(0, (int)Math.Round(celsius * 8) << 5).With(1, 0);

    internal static WordChip Mcp9808(double celsius) => new WordChip().WithBigEndian(1, 0).WithBigEndian(6, 0x0054).WithBigEndian(7, 0x0400)
        .WithBigEndian(5, ((int)Math.Round(celsius * 16) & 0x0FFF) | (celsius < 0 ? 0x1000 : 0));

    internal static WordChip Ina219(double volts, double shuntVolts) => new WordChip().WithBigEndian(0, 0x399F)
        .WithBigEndian(1, (int)Math.Round(shuntVolts / 10e-6)).WithBigEndian(2, (int)Math.Round(volts / 4e-3) << 3);

    internal static WordChip Ina236(double volts, double shuntVolts) => new WordChip().WithBigEndian(0x3F, 0xA080)
        .WithBigEndian(1, (int)Math.Round(shuntVolts / 2.5e-6)).WithBigEndian(2, (int)Math.Round(volts / 1.6e-3));

    internal static CommandChip Si7021(double celsius, double percent) => new(1, command => command switch
    {
        0xE7 => [0x3A],
        0xE3 or 0xF3 or 0xE0 => BigEndian((int)Math.Round((celsius + 46.85) / 175.72 * 65536)),
        _ => BigEndian((int)Math.Round((percent + 6) / 125 * 65536)),
    });

    internal static CommandChip Aht20(double celsius, double percent)
    {
        int humidity = (int)Math.Round(percent / 100 * (1 << 20));
        int temperature = (int)Math.Round((celsius + 50) / 200 * (1 << 20));
        byte[] measured =
        [
            0x18,
            (byte)(humidity >> 12),
            (byte)(humidity >> 4),
            (byte)((humidity << 4) | (temperature >> 16)),
            (byte)(temperature >> 8),
            (byte)temperature,
        ];
        return new CommandChip(1, _ => measured);
    }

    internal static byte[] BigEndian(int word) => [(byte)(word >> 8), (byte)word];

    /// <summary>A two's complement number of three bytes, the least first.</summary>
    internal static byte[] LittleEndian24(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return bytes[..3];
    }
}

/// <summary>An ADS1115 that converts whichever input its configuration names, at the gain it names.</summary>
internal sealed class Ads1115Chip(IReadOnlyDictionary<int, double> volts) : WordChip
{
    private static readonly double[] FullScales = [6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256];

    protected override void Store(int register, ReadOnlySpan<byte> data)
    {
        base.Store(register, data);
        if (register == 1)
        {
            int config = Word(1);
            double counts = volts.GetValueOrDefault((config >> 12) & 7) / FullScales[(config >> 9) & 7] * 32768;
            WithBigEndian(0, (short)Math.Clamp(Math.Round(counts), -32768, 32767));

            // Done at once: not converting.
            WithBigEndian(1, config | 0x8000);
        }
    }
}

/// <summary>
/// A BME280, BMP280 with the calibration of the data sheet's example, whose raw values are found for given physical ones by its integer
/// formulas.
/// </summary>
internal sealed class Bme280Chip : RegisterChip
{
    private const int T1 = 27504, T2 = 26435, T3 = -1000;
    private const int H1 = 75, H2 = 362, H3 = 0, H4 = 313, H5 = 50, H6 = 30;
    private static readonly int[] P = [36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000];

    internal Bme280Chip(byte id, double celsius, double percent, double hectopascals)
    {
        With(0xD0, id);
        WithLittleEndian(0x88, unchecked((short)T1), T2, T3);
        WithLittleEndian(0x8E, [.. P.Select(value => unchecked((short)value))]);
        With(0xA1, H1);
        WithLittleEndian(0xE1, H2);
        With(0xE3, H3, H4 >> 4, (H4 & 15) | ((H5 & 15) << 4), H5 >> 4, H6);
        int temperature = Search(raw => Fine(raw, out _) >= Math.Round(celsius * 100), 1 << 20);
        Fine(temperature, out int fine);
        int pressure = Search(raw => Pascals256(raw, fine) <= hectopascals * 100 * 256, 1 << 20);
        int humidity = Search(raw => Percent1024(raw, fine) >= percent * 1024, 1 << 16);
        With(0xF7, (byte)(pressure >> 12), (byte)(pressure >> 4), (byte)(pressure << 4));
        With(0xFA, (byte)(temperature >> 12), (byte)(temperature >> 4), (byte)(temperature << 4));
        With(0xFD, (byte)(humidity >> 8), (byte)humidity);
    }

    // The first raw value of which the condition holds; it holds for all above.
    private static int Search(Func<int, bool> condition, int end)
    {
        int low = 1;
        while (low < end)
        {
            int middle = (low + end) / 2;
            (low, end) = condition(middle) ? (low, middle) : (middle + 1, end);
        }

        return low;
    }

    // BST-BME280-DS002, 4.2.3, compensation in integers: hundredths of a degree.
    private static int Fine(int raw, out int fine)
    {
        int one = (((raw >> 3) - (T1 << 1)) * T2) >> 11;
        int two = (((((raw >> 4) - T1) * ((raw >> 4) - T1)) >> 12) * T3) >> 14;
        fine = one + two;
        return ((fine * 5) + 128) >> 8;
    }

    private static long Pascals256(int raw, int fine)
    {
        long one = fine - 128000L;
        long two = (one * one * P[5]) + ((one * P[4]) << 17) + ((long)P[3] << 35);
        one = ((one * one * P[2]) >> 8) + ((one * P[1]) << 12);
        one = (((1L << 47) + one) * P[0]) >> 33;
        long p = (((1048576L - raw) << 31) - two) * 3125 / one;
        one = (P[8] * (p >> 13) * (p >> 13)) >> 25;
        two = (P[7] * p) >> 19;
        return ((p + one + two) >> 8) + ((long)P[6] << 4);
    }

    private static int Percent1024(int raw, int fine)
    {
        int v = fine - 76800;
        v = ((((raw << 14) - (H4 << 20) - (H5 * v)) + 16384) >> 15)
            * (((((((v * H6) >> 10) * (((v * H3) >> 11) + 32768)) >> 10) + 2097152) * H2 + 8192) >> 14);
        v -= ((((v >> 15) * (v >> 15)) >> 7) * H1) >> 4;
        return Math.Clamp(v, 0, 419430400) >> 12;
    }
}
