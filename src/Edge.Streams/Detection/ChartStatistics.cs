namespace Edge.Streams.Detection;

/// <summary>What an exponentially weighted mean of a channel did on calm rows: the base of its control limit.</summary>
/// <param name="Deviation">Root mean square.</param>
/// <param name="Largest">Largest absolute value.</param>
/// <param name="TailPower">
/// How the distribution ends: a value that is exceeded with probability q is as far out as this power of log(1/q). One half is a normal
/// tail, one an exponential one.
/// </param>
/// <param name="Growth">
/// How much farther it is expected to wander than on the rows seen, 1 or more; 1 for a channel that scatters about a value.
/// </param>
/// <param name="End">
/// Where it ends, whatever the deviation says: all parts of the calm rows have ended close to one another, as between two levels of a
/// machine. <see cref="NoEnd"/> where they have not, or are too few to tell.
/// </param>
internal readonly record struct ChartStatistics(float Deviation, float Largest, float TailPower, float Growth, float End)
{
    internal const float NoEnd = 1e30f;

    // A limit from fewer independent means than this is not worth having.
    private const double IndependentMin = 12;

    private const double DeviationMin = 1e-6;

    // The logarithm of the rarity that is asked for is at most so many times that of the largest value seen.
    private const double LogRatioMax = 2;

    // The tail begins at the largest twentieth. Fewer independent values than this do not show its power.
    private const double TailShare = 0.05;
    private const double TailMin = 100;
    internal const float NormalPower = 0.5f;
    private const double ExponentialPower = 1;

    // A mean of span s takes about two spans to become independent of itself.
    private const double SpansApart = 2;

    // Growth is extrapolated to so many times the calm rows, and counts by its root: most of what wanders comes back.
    private const double Ahead = 4;
    private const double GrowthPower = 0.25;

    // Parts of the calm rows in which a mean has its largest values. Each has so many rows and spans at least.
    private const int Parts = 10;
    private const int PartRowsMin = 50;
    private const int PartSpansMin = 30;

    // The end lies so many mean excesses of the upper half of those values beyond their middle. And so many times the largest: calm rows
    // must stay clear of the score at which an anomaly closes.
    private const double EndExcesses = 12;
    private const double EndLargest = 1.7;

    /// <summary>Of a channel that never moved: nothing is known about how far it may.</summary>
    internal static ChartStatistics Unlimited { get; } = new(0, 1e30f, NormalPower, 1, NoEnd);

    /// <summary>Number of independent means of a span in so many rows.</summary>
    internal static double Independent(int rows, int span) => rows / (SpansApart * span);

    /// <summary>Whether so many rows say enough about means of a span.</summary>
    internal static bool IsEnough(int rows, int span) => Independent(rows, span) >= IndependentMin;

    /// <summary>Measures a mean over calm rows.</summary>
    /// <param name="values">Its value at each row.</param>
    /// <param name="span">Its span, in rows.</param>
    internal static ChartStatistics Measure(ReadOnlySpan<float> values, int span)
    {
        double square = 0;
        double largest = 0;
        foreach (float value in values)
        {
            square += (double)value * value;
            largest = Math.Max(largest, Math.Abs(value));
        }

        double variance = square / values.Length;
        double power = TailPowerOf(values, largest, Independent(values.Length, span));
        return new ChartStatistics(
            (float)Math.Sqrt(variance), (float)largest, (float)power, (float)GrowthOf(values, variance), EndOf(values, span));
    }

    /// <summary>
    /// The limit that calm values exceed with a probability: the larger of two. Student's t for the deviation, which a few independent
    /// values tell with an error. And, for what does not end like a normal distribution, the largest value: that of n independent values is
    /// about as far out as what one in n exceeds, and what is to come is farther as the tail says. Both are at most the end, before growth.
    /// </summary>
    /// <param name="probability">Probability per row that a calm value is beyond the limit.</param>
    /// <param name="rows">Calm rows.</param>
    /// <param name="span">Span of the mean, in rows.</param>
    internal double Limit(double probability, int rows, int span)
    {
        double tail = Math.Min(0.01, probability * span / SpansApart);
        double independent = Independent(rows, span);
        double logs = Math.Clamp(PortableMath.Log(1 / tail) / PortableMath.Log(independent), 1, LogRatioMax);
        double ahead = PortableMath.Exp(TailPower * PortableMath.Log(logs));
        double limit = Math.Max(Deviation * Quantile.Student(tail, independent - 1), Largest * ahead);
        return Math.Max(Math.Min(limit, End) * Growth, DeviationMin);
    }

    // Of a Weibull distribution's tail through its start and the largest value.
    private static double TailPowerOf(ReadOnlySpan<float> values, double largest, double independent)
    {
        if (independent < TailMin)
        {
            return NormalPower;
        }

        float[] sizes = values.ToArray();
        foreach (ref float size in sizes.AsSpan())
        {
            size = Math.Abs(size);
        }

        Array.Sort(sizes);
        double start = Math.Max(sizes[(int)((1 - TailShare) * sizes.Length)], DeviationMin);
        double logs = PortableMath.Log(independent) / PortableMath.Log(1 / TailShare);
        return Math.Clamp(PortableMath.Log(Math.Max(1, largest / start)) / PortableMath.Log(logs), NormalPower, ExponentialPower);
    }

    // From the largest of many values, as Weissman, "Estimation of parameters and large quantiles based on the k largest observations"
    // (1978), of an exponential tail.
    private static float EndOf(ReadOnlySpan<float> values, int span)
    {
        int length = values.Length / Parts;
        if (length < Math.Max(PartRowsMin, PartSpansMin * span))
        {
            return NoEnd;
        }

        Span<float> largest = stackalloc float[Parts];
        for (int part = 0; part < Parts; part++)
        {
            largest[part] = 0;
            foreach (float value in values.Slice(part * length, length))
            {
                largest[part] = Math.Max(largest[part], Math.Abs(value));
            }
        }

        largest.Sort();
        float middle = largest[(Parts / 2) - 1];
        double excess = 0;
        foreach (float value in largest[(Parts / 2)..])
        {
            excess += (value - middle) / (Parts / 2.0);
        }

        return (float)Math.Max(EndLargest * largest[^1], middle + (EndExcesses * excess));
    }

    // Half the mean square of differences at a lag is the variance where there is no growth. A random walk doubles it with the lag.
    private static double GrowthOf(ReadOnlySpan<float> values, double variance)
    {
        int near = Math.Max(1, values.Length / 10);
        int far = Math.Max(2, 2 * values.Length / 5);
        double nearScatter = Scatter(values, near);
        double farScatter = Scatter(values, far);
        double lags = (double)far / near;
        double growth = Math.Clamp(farScatter / Math.Max(nearScatter, 1e-12), 1, lags * lags);
        double exponent = PortableMath.Log(growth) / PortableMath.Log(lags);
        double ahead = PortableMath.Exp(exponent * PortableMath.Log(Ahead * values.Length / far));
        double all = Math.Max(1, farScatter / Math.Max(variance, 1e-12)) * Math.Max(1, ahead);
        return PortableMath.Exp(GrowthPower * PortableMath.Log(all));
    }

    private static double Scatter(ReadOnlySpan<float> values, int lag)
    {
        double sum = 0;
        for (int at = lag; at < values.Length; at++)
        {
            double difference = (double)values[at] - values[at - lag];
            sum += difference * difference;
        }

        return sum / (2 * Math.Max(1, values.Length - lag));
    }
}
