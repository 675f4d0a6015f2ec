using Edge.Streams.Detection;

namespace Edge.Streams.Limits;

/// <summary>
/// The standard normal distribution from portable arithmetic, so that every processor gives the same bits. Abramowitz and Stegun,
/// "Handbook of Mathematical Functions" (1964), 26.2.17: the error is below 7.5e-8.
/// </summary>
internal static class NormalDistribution
{
    private const double DensityAtZero = 0.3989422804014327;
    private const double TailMax = 35;

    /// <summary>Probability of a value below <paramref name="x"/>.</summary>
    internal static double Cumulative(double x)
    {
        double size = Math.Min(Math.Abs(x), TailMax);
        double t = 1 / (1 + (0.2316419 * size));
        double sum = t * (0.319381530 + (t * (-0.356563782 + (t * (1.781477937 + (t * (-1.821255978 + (t * 1.330274429))))))));
        double tail = DensityAtZero * PortableMath.Exp(-0.5 * size * size) * sum;
        return x < 0 ? tail : 1 - tail;
    }

    /// <summary>The value below which a share of 0..1 lies, to about 1e-6.</summary>
    internal static double Quantile(double share)
    {
        double low = -9;
        double high = 9;
        for (int i = 0; i < 60; i++)
        {
            double middle = (low + high) / 2;
            (low, high) = Cumulative(middle) < share ? (middle, high) : (low, middle);
        }

        return (low + high) / 2;
    }
}
