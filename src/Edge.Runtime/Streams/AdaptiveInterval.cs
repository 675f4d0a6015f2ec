namespace Edge.Runtime.Streams;

/// <summary>
/// Half the width of a prediction interval, learned online from the stream's own errors: wider by coverage·γ after a miss,
/// narrower by (1 - coverage)·γ after a hit, so that in the long run the share of hits is the coverage, whatever the
/// distribution. Gibbs and Candès, "Adaptive conformal inference under distribution shift" (2021), on the width itself.
/// </summary>
internal sealed class AdaptiveInterval
{
    // Step of an update, as a share of the width: about the memory of a hundred ticks.
    private const double Rate = 0.05;

    private readonly double _coverage;
    private readonly double _widthMin;

    /// <param name="coverage">Share of actual values to hold, 0.5..0.999.</param>
    /// <param name="rmse">Expected root mean square error; the first width is that of normal errors of this size.</param>
    internal AdaptiveInterval(double coverage, double rmse)
    {
        _coverage = coverage;
        _widthMin = 1e-6;
        HalfWidth = Math.Max(_widthMin, rmse * NormalQuantile(coverage));
    }

    internal double HalfWidth { get; private set; }

    internal long Seen { get; private set; }

    internal long Inside { get; private set; }

    internal void Observe(double error)
    {
        bool inside = error <= HalfWidth;
        Seen++;
        Inside += inside ? 1 : 0;
        HalfWidth = Math.Max(_widthMin, HalfWidth * (1 + (Rate * (inside ? _coverage - 1 : _coverage))));
    }

    // Two-sided quantile of the normal distribution, to 0.005: Tukey's lambda, 4.91·(p^0.14 - (1-p)^0.14).
    private static double NormalQuantile(double coverage)
    {
        double p = (1 + coverage) / 2;
        return 4.91 * (Math.Pow(p, 0.14) - Math.Pow(1 - p, 0.14));
    }
}
