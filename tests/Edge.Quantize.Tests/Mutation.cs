using System.Buffers.Binary;

namespace Edge.Quantize.Tests;

/// <summary>Random damage to a file: a few of flips, overwrites, extreme numbers, cuts, repeats, and parts of another file.</summary>
internal static class Mutation
{
    private static readonly ulong[] Extremes =
    [
        0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7F800000, 0x7FC00000,
        0x7FFFFFFFFFFFFFFF, ulong.MaxValue,
    ];

    internal static byte[] Of(byte[] file, byte[] other, Random random)
    {
        var bytes = new List<byte>(file);
        for (int times = random.Next(1, 5); times > 0 && bytes.Count > 0; times--)
        {
            int at = random.Next(bytes.Count);
            int length = Math.Min(bytes.Count - at, 1 << random.Next(0, 9));
            switch (random.Next(7))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    byte[] number = new byte[8];
                    BinaryPrimitives.WriteUInt64LittleEndian(number, Extremes[random.Next(Extremes.Length)]);
                    for (int i = 0; i < Math.Min(1 << random.Next(4), bytes.Count - at); i++)
                    {
                        bytes[at + i] = number[i];
                    }

                    break;
                case 3:
                    bytes.RemoveRange(at, length);
                    break;
                case 4:
                    bytes.InsertRange(at, bytes.GetRange(at, length));
                    break;
                case 5:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 6 when other.Length > 0:
                    int from = random.Next(other.Length);
                    bytes.InsertRange(at, other.AsSpan(from, Math.Min(length, other.Length - from)).ToArray());
                    break;
            }
        }

        return [.. bytes];
    }
}
