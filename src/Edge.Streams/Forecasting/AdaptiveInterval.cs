namespace Edge.Streams.Forecasting;

/// <summary>
/// Half the width of a prediction interval, learned online from the stream's own errors: wider by coverage·γ after a miss,
/// narrower by (1 - coverage)·γ after a hit, so that in the long run the share of hits is the coverage, whatever the
/// distribution. Gibbs and Candès, "Adaptive conformal inference under distribution shift" (2021), on the width itself.
/// </summary>
internal sealed class AdaptiveInterval
{
    // Step of an update, as a share of the width: about the memory of a hundred ticks.
    private const double Rate = 0.05;

    private static readonly (double Coverage, double Quantile)[] NormalQuantiles =
        [
            (0.5, 0.674), (0.6, 0.842), (0.7, 1.036), (0.8, 1.282), (0.9, 1.645), (0.95, 1.960), (0.98, 2.326), (0.99, 2.576),
            (0.995, 2.807), (0.999, 3.291),
        ];

    private const double WidthMin = 1e-6;

    private readonly double _coverage;

    /// <param name="coverage">Share of actual values to hold, 0.5..0.999.</param>
    /// <param name="rmse">Expected root mean square error; the first width is that of normal errors of this size.</param>
    internal AdaptiveInterval(double coverage, double rmse)
    {
        _coverage = coverage;
        HalfWidth = Math.Max(WidthMin, rmse * NormalQuantile(coverage));
    }

    internal double HalfWidth { get; private set; }

    internal long Seen { get; private set; }

    internal long Inside { get; private set; }

    internal void Archive(StreamSnapshot snapshot)
    {
        HalfWidth = snapshot.Field(HalfWidth);
        Seen = snapshot.Field(Seen);
        Inside = snapshot.Field(Inside);
    }

    internal void Observe(double error)
    {
        bool inside = error <= HalfWidth;
        Seen++;
        Inside += inside ? 1 : 0;
        HalfWidth = Math.Max(WidthMin, HalfWidth * (1 + (Rate * (inside ? _coverage - 1 : _coverage))));
    }

    // Two-sided quantile of the normal distribution, between the points of a table: only the first width depends on it, and a
    // table gives the same bits on every processor, which a library's logarithm need not.
    private static double NormalQuantile(double coverage)
    {
        int above = 1;
        while (above < NormalQuantiles.Length - 1 && NormalQuantiles[above].Coverage < coverage)
        {
            above++;
        }

        (double Coverage, double Quantile) low = NormalQuantiles[above - 1];
        (double Coverage, double Quantile) high = NormalQuantiles[above];
        return low.Quantile + ((high.Quantile - low.Quantile) * (coverage - low.Coverage) / (high.Coverage - low.Coverage));
    }
}
