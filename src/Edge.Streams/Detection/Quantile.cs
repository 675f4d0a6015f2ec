namespace Edge.Streams.Detection;

/// <summary>Upper quantiles of the normal distribution and of Student's t, the same bits on every processor.</summary>
internal static class Quantile
{
    /// <summary>
    /// The value that a standard normal variable exceeds with this probability, 1e-300..0.5, to about 1e-7 of itself. Wichura,
    /// "Algorithm AS 241" (1988), the version of seven figures.
    /// </summary>
    internal static double Normal(double probability)
    {
        double q = 0.5 - probability;
        double r = 0.180625 - (q * q);
        if (r >= 0)
        {
            return q * (((((((59.109374720 * r) + 159.29113202) * r) + 50.434271938) * r) + 3.3871327179)
                / ((((((67.187563600 * r) + 78.757757664) * r) + 17.895169469) * r) + 1));
        }

        r = Math.Sqrt(-PortableMath.Log(probability));
        if (r <= 5)
        {
            r -= 1.6;
            return ((((((0.17023821103 * r) + 1.3067284816) * r) + 2.7568153900) * r) + 1.4234372777)
                / ((((0.12021132975 * r) + 0.73700164250) * r) + 1);
        }

        r -= 5;
        return ((((((0.017337203997 * r) + 0.42868294337) * r) + 3.0812263860) * r) + 6.6579051150)
            / ((((0.012258202635 * r) + 0.24197894225) * r) + 1);
    }

    /// <summary>
    /// The value that a variable of Student's t distribution exceeds with this probability, 1e-300..0.25. Hill, "Algorithm 396"
    /// (1970).
    /// </summary>
    /// <param name="probability">Probability of the upper tail.</param>
    /// <param name="degrees">Degrees of freedom, 3 or more; not necessarily whole.</param>
    internal static double Student(double probability, double degrees)
    {
        double a = 1 / (degrees - 0.5);
        double b = 48 / (a * a);
        double c = ((((((20700 * a / b) - 98) * a) - 16) * a) + 96.36);
        double d = ((((94.5 / (b + c)) - 3) / b) + 1) * Math.Sqrt(a * Math.PI / 2) * degrees;
        double x = d * 2 * probability;
        double y = PortableMath.Exp(2 / degrees * PortableMath.Log(x));
        if (y <= 0.05 + a)
        {
            double far = (((degrees + 6) / (degrees * y)) - (0.089 * d) - 0.822) * (degrees + 2) * 3;
            double square = ((((1 / far) + (0.5 / (degrees + 4))) * y) - 1) * (degrees + 1) / (degrees + 2);
            return Math.Sqrt(degrees * (square + (1 / y)));
        }

        // Near the normal distribution.
        x = -Normal(probability);
        y = x * x;
        c += degrees < 5 ? 0.3 * (degrees - 4.5) * (x + 0.6) : 0;
        c += (((((((0.05 * d * x) - 5) * x) - 7) * x) - 2) * x) + b;
        y = ((((((((((0.4 * y) + 6.3) * y) + 36) * y) + 94.5) / c) - y - 3) / b) + 1) * x;
        y = a * y * y;
        y = y > 0.002 ? PortableMath.Exp(y) - 1 : (0.5 * y * y) + y;
        return Math.Sqrt(degrees * y);
    }
}
