namespace Edge.Streams.Detection;

/// <summary>
/// Logarithm and exponential from additions, multiplications and divisions alone, so that every processor and C library gives the same
/// bits.
/// </summary>
internal static class PortableMath
{
    private const double Ln2 = 0.6931471805599453;

    /// <summary>Natural logarithm of a positive, normal number, to about 1e-15.</summary>
    internal static double Log(double x)
    {
        // x = m · 2^e with m in [2/3, 4/3); log m = 2 atanh((m - 1) / (m + 1)).
        long bits = BitConverter.DoubleToInt64Bits(x);
        int exponent = (int)((bits >> 52) & 0x7FF) - 1023;
        double mantissa = BitConverter.Int64BitsToDouble((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
        if (mantissa > 4.0 / 3)
        {
            mantissa /= 2;
            exponent++;
        }

        double y = (mantissa - 1) / (mantissa + 1);
        double square = y * y;
        double sum = 0;
        for (int k = 21; k >= 1; k -= 2)
        {
            sum = (sum * square) + (1.0 / k);
        }

        return (2 * y * sum) + (exponent * Ln2);
    }

    /// <summary>e to the power of <paramref name="x"/>, -700..700, to about 1e-15.</summary>
    internal static double Exp(double x)
    {
        double whole = Math.Floor((x / Ln2) + 0.5);
        double rest = x - (whole * Ln2);
        double sum = 1;
        for (int k = 16; k >= 1; k--)
        {
            sum = 1 + (sum * rest / k);
        }

        return sum * BitConverter.Int64BitsToDouble((long)(whole + 1023) << 52);
    }
}
