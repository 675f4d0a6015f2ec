namespace Edge.Runtime.Delivery;

/// <summary>
/// A measured value in as few bytes as keep it exactly. Sensors give few decimals: such a value is a whole number over a power of ten. Any
/// other one is a float if that is exact, or else a double.
/// </summary>
/// <remarks>
/// The lowest three bits of a varint say what follows: 0..5 a value with so many decimals, whose zigzag number is the rest of the varint;
/// 6 four bytes of a float; 7 eight bytes of a double.
/// </remarks>
internal static class PackedNumber
{
    /// <summary>Most decimals of a whole number over a power of ten.</summary>
    internal const int DecimalsMax = 5;

    /// <summary>Whole numbers below this stay exact.</summary>
    internal const double WholeMaxExact = 1L << 50;

    private const int IsSingle = 6;
    private const int IsDouble = 7;

    // Larger numbers take no fewer bytes than a float.
    private const double WholeMax = 1 << 20;

    private static readonly double[] Powers = [1, 10, 100, 1_000, 10_000, 100_000];

    internal static void Write(PackedWriter to, double value)
    {
        if (Decimals(value, WholeMax) is var (whole, decimals) && decimals >= 0)
        {
            to.Whole(((ulong)((whole << 1) ^ (whole >> 63)) << 3) | (uint)decimals);
        }
        else if ((float)value == value)
        {
            to.Byte(IsSingle);
            to.Single((float)value);
        }
        else
        {
            to.Byte(IsDouble);
            to.Double(value);
        }
    }

    /// <exception cref="InvalidDataException">The bytes are damaged.</exception>
    internal static double Read(ref PackedReader from)
    {
        ulong packed = from.Whole();
        int kind = (int)(packed & 7);
        ulong zigzag = packed >> 3;
        return kind switch
        {
            IsSingle => from.Single(),
            IsDouble => from.Double(),
            _ => FromWhole((long)(zigzag >> 1) ^ -(long)(zigzag & 1), kind),
        };
    }

    /// <summary>The value as a whole number over a power of ten, if that is exact.</summary>
    /// <param name="value">The value.</param>
    /// <param name="wholeMax">Largest whole number, exclusive.</param>
    /// <returns>The whole number and its decimals, 0..<see cref="DecimalsMax"/>; -1 decimals if there is none.</returns>
    internal static (long Whole, int Decimals) Decimals(double value, double wholeMax)
    {
        for (int decimals = 0; decimals <= DecimalsMax; decimals++)
        {
            double whole = Math.Round(value * Powers[decimals]);
            if (!(Math.Abs(whole) < wholeMax))
            {
                break;
            }

            // As it is read back: a negative zero is none of these.
            if (BitConverter.DoubleToInt64Bits(FromWhole((long)whole, decimals)) == BitConverter.DoubleToInt64Bits(value))
            {
                return ((long)whole, decimals);
            }
        }

        return (0, -1);
    }

    internal static long ToWhole(double value, int decimals) => (long)Math.Round(value * Powers[decimals]);

    internal static double FromWhole(long whole, int decimals) => whole / Powers[decimals];
}
