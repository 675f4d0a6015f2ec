namespace Edge.Streams.Detection;

/// <summary>What an exponentially weighted mean of a channel did on calm rows: the base of its control limit.</summary>
/// <param name="Deviation">Root mean square of the mean.</param>
/// <param name="Largest">Its largest absolute value.</param>
/// <param name="TailStart">The absolute value that one in twenty means exceeds.</param>
/// <param name="TailScale">Scale of the generalized Pareto distribution of what exceeds it; 0 if the rows are too few to tell.</param>
/// <param name="TailShape">Its shape: 0 is exponential, more is heavier.</param>
/// <param name="Growth">
/// How much farther it is expected to wander in four times the rows seen, 1 or more; 1 for a channel that scatters about a value.
/// </param>
internal readonly record struct ChartStatistics(
    float Deviation,
    float Largest,
    float TailStart,
    float TailScale,
    float TailShape,
    float Growth)
{
    /// <summary>How many times the calm rows the growth is extrapolated to.</summary>
    private const double Ahead = 4;

    // A limit from fewer independent means than this is not worth having.
    private const double IndependentMin = 12;

    private const double DeviationMin = 1e-6;

    // A tail needs some independent means beyond its start, and many for its shape.
    private const double TailShare = 0.05;
    private const double TailMin = 100;
    private const double ShapeMin = 400;
    private const double ShapeLeast = -0.1;
    private const double ShapeLargest = 0.4;
    private const double Log2 = 0.6931471805599453;
    private const double ExponentialRatio = 3.321928094887362;
    private const double RatioGrowth = 0.874;

    // A mean of span s takes about two spans to become independent of itself.
    private const double SpansApart = 2;

    /// <summary>Of a channel that never moved: nothing is known about how far it may.</summary>
    internal static ChartStatistics Unlimited { get; } = new(0, 1e30f, 0, 0, 0, 1);

    /// <summary>Number of independent means of a span in so many rows.</summary>
    internal static double Independent(int rows, int span) => rows / (SpansApart * span);

    /// <summary>Whether so many rows say enough about means of a span.</summary>
    internal static bool IsEnough(int rows, int span) => Independent(rows, span) >= IndependentMin;

    /// <summary>Measures a mean over calm rows.</summary>
    /// <param name="means">The mean at each row.</param>
    /// <param name="span">Its span, in rows.</param>
    internal static ChartStatistics Measure(ReadOnlySpan<float> means, int span)
    {
        double square = 0;
        double largest = 0;
        foreach (float mean in means)
        {
            square += (double)mean * mean;
            largest = Math.Max(largest, Math.Abs(mean));
        }

        double variance = square / means.Length;
        (double start, double scale, double shape) = TailOf(means, Independent(means.Length, span));
        return new ChartStatistics(
            (float)Math.Sqrt(variance),
            (float)largest,
            (float)start,
            (float)scale,
            (float)shape,
            (float)GrowthOf(means, variance));
    }

    /// <summary>
    /// The limit that calm means exceed with a probability: the largest of Student's t at the number of independent means, of the tail,
    /// and of all means seen; times the growth.
    /// </summary>
    /// <param name="probability">Probability per row that a calm mean is beyond the limit.</param>
    /// <param name="rows">Calm rows.</param>
    /// <param name="span">Span of the mean, in rows.</param>
    internal double Limit(double probability, int rows, int span)
    {
        double tail = Math.Min(0.01, probability * span / 2);
        double quantile = Quantile.Student(tail, Independent(rows, span) - 1);
        double limit = Math.Max(Deviation * quantile, Largest);
        if (TailScale > 0)
        {
            double log = PortableMath.Log(Math.Max(1, TailShare / tail));
            double beyond = Math.Abs(TailShape) < 1e-3 ? log : (PortableMath.Exp(TailShape * log) - 1) / TailShape;
            limit = Math.Max(limit, TailStart + (TailScale * beyond));
        }

        return Math.Max(limit, DeviationMin) * Growth;
    }

    // By quantiles, which hold for tails however heavy, after Pickands, "Statistical inference using extreme order statistics" (1975).
    private static (double Start, double Scale, double Shape) TailOf(ReadOnlySpan<float> means, double independent)
    {
        if (independent < TailMin)
        {
            return (0, 0, 0);
        }

        float[] sorted = means.ToArray();
        for (int at = 0; at < sorted.Length; at++)
        {
            sorted[at] = Math.Abs(sorted[at]);
        }

        Array.Sort(sorted);
        int first = (int)((1 - TailShare) * sorted.Length);
        int count = sorted.Length - first;
        double start = sorted[first];
        double half = Math.Max(sorted[first + (count / 2)] - start, 1e-9);
        double most = sorted[first + (9 * count / 10)] - start;

        // The quantiles of an exponential tail are log 10 and log 2 scales above its start; their ratio grows with the shape.
        double shape = independent < ShapeMin ? 0
            : Math.Clamp(PortableMath.Log(Math.Max(1, most / half) / ExponentialRatio) / RatioGrowth, ShapeLeast, ShapeLargest);
        double unit = Math.Abs(shape) < 1e-3 ? Log2 : (PortableMath.Exp(shape * Log2) - 1) / shape;
        return (start, half / unit, shape);
    }

    // Half the mean square of differences at a lag is the variance where there is no growth. A random walk doubles it with the lag.
    private static double GrowthOf(ReadOnlySpan<float> means, double variance)
    {
        int near = Math.Max(1, means.Length / 10);
        int far = Math.Max(2, 2 * means.Length / 5);
        double nearScatter = Scatter(means, near);
        double farScatter = Scatter(means, far);
        double lags = (double)far / near;
        double growth = Math.Clamp(farScatter / Math.Max(nearScatter, 1e-12), 1, lags * lags);
        double exponent = PortableMath.Log(growth) / PortableMath.Log(lags);
        double ahead = PortableMath.Exp(exponent * PortableMath.Log(Ahead * means.Length / far));
        return Math.Sqrt(Math.Max(1, farScatter / Math.Max(variance, 1e-12)) * Math.Max(1, ahead));
    }

    private static double Scatter(ReadOnlySpan<float> means, int lag)
    {
        double sum = 0;
        for (int at = lag; at < means.Length; at++)
        {
            double difference = (double)means[at] - means[at - lag];
            sum += difference * difference;
        }

        return sum / (2 * Math.Max(1, means.Length - lag));
    }
}
