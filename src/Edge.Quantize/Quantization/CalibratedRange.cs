namespace Edge.Quantize.Quantization;

/// <summary>The range of a unit from its calibrated magnitudes.</summary>
internal static class CalibratedRange
{
    private const double Share = 0.999;
    private const int Candidates = 50;

    /// <summary>The range by one of the methods.</summary>
    /// <param name="method">Which.</param>
    /// <param name="largest">The largest magnitude of all rows.</param>
    /// <param name="ascending">Gives the sampled magnitudes in ascending order.</param>
    internal static double Of(RangeMethod method, float largest, Func<float[]> ascending) => method switch
    {
        RangeMethod.MinMax => largest,
        RangeMethod.Percentile => Percentile(ascending()),
        _ => LeastSquares(largest, ascending()),
    };

    private static double Percentile(float[] ascending) => ascending.Length == 0 ? 0 : ascending[(int)(Share * (ascending.Length - 1))];

    // Rounding to 127 steps of a range costs (range/127)²/12 a value; clipping costs what is cut off, squared.
    private static double LeastSquares(float largest, float[] ascending)
    {
        double best = largest;
        double least = double.PositiveInfinity;
        for (int i = Candidates; i > 0; i--)
        {
            double range = largest * i / Candidates;
            double step = range / 127;
            double error = 0;
            for (int at = ascending.Length - 1; at >= 0 && ascending[at] > range; at--)
            {
                error += (ascending[at] - range) * (ascending[at] - range);
            }

            error += ascending.Length * step * step / 12;
            if (error < least)
            {
                (least, best) = (error, range);
            }
        }

        return best;
    }
}
