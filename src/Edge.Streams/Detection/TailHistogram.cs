namespace Edge.Streams.Detection;

/// <summary>
/// Remembers how often a non-negative quantity was how large, in two bins an octave, and says which value it exceeds with a small
/// probability: a generalized Pareto tail above the largest twentieth of all values seen.
/// </summary>
internal static class TailHistogram
{
    /// <summary>Number of bins.</summary>
    internal const int Bins = 30;

    // Two bins an octave, from 2^-8 on: the exponent of a float and the first bit of its fraction, less those of 2^-8.
    private const int BinShift = 22;
    private const int FirstBin = (127 - 8) << 1;
    private const double TailShare = 0.05;
    private const double MeanExcessMin = 1e-3;

    // Shape of the tail: a little heavier than exponential, which matters only far beyond what was seen.
    private const double Shape = 0.1;

    /// <summary>Adds a value.</summary>
    /// <param name="bins">Counts, [<see cref="Bins"/>].</param>
    /// <param name="value">The value, 0 or more.</param>
    internal static void Add(Span<ushort> bins, float value)
    {
        ref ushort count = ref bins[BinOf(value)];
        if (++count < ushort.MaxValue)
        {
            return;
        }

        foreach (ref ushort bin in bins)
        {
            bin /= 2;
        }
    }

    /// <summary>How many mean excesses beyond the start of the tail the value lies that is exceeded with a probability.</summary>
    internal static double Beyond(double probability)
    {
        double log = PortableMath.Log(TailShare / probability);
        return (PortableMath.Exp(Shape * Math.Max(0, log)) - 1) / Shape;
    }

    /// <summary>The value that is exceeded with a probability; infinite while fewer than a hundred values were seen.</summary>
    /// <param name="bins">Counts, [<see cref="Bins"/>].</param>
    /// <param name="excesses">The limit lies so many mean excesses above the start of the tail; see <see cref="Beyond"/>.</param>
    internal static double Limit(ReadOnlySpan<ushort> bins, double excesses)
    {
        int total = 0;
        foreach (ushort bin in bins)
        {
            total += bin;
        }

        if (total < 100)
        {
            return double.PositiveInfinity;
        }

        // The tail starts inside the bin in which the share is reached from above.
        double wanted = TailShare * total;
        double above = 0;
        double sum = 0;
        int at = bins.Length - 1;
        while (above + bins[at] < wanted)
        {
            above += bins[at];
            sum += bins[at] * Middle(at);
            at--;
        }

        double inside = wanted - above;
        double low = at == 0 ? 0 : Edge(at);
        double high = Edge(at + 1);
        double start = high - ((high - low) * inside / bins[at]);
        double excess = ((sum - (above * start)) + (inside * (high - start) / 2)) / wanted;
        return start + (Math.Max(excess, MeanExcessMin) * excesses);
    }

    private static int BinOf(float value) =>
        Math.Clamp((BitConverter.SingleToInt32Bits(value) >> BinShift) - FirstBin, 0, Bins - 1);

    // Lower end of a bin; the first one begins at 0, and the last one is open.
    private static double Edge(int bin) => BitConverter.Int32BitsToSingle((bin + FirstBin) << BinShift);

    private static double Middle(int bin) => bin == 0 ? Edge(1) / 2 : (Edge(bin) + Edge(bin + 1)) / 2;
}
