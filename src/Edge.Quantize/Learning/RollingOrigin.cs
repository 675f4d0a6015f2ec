namespace Edge.Quantize.Learning;

/// <summary>
/// The rows before those that score, cut in the order of time. What is fitted to the first parts is judged on the next one: a forecast is
/// about rows that come later, and what was fitted to rows on both sides of those that judge it looks better than it will be. Tashman,
/// "Out-of-sample tests of forecasting accuracy: an analysis and review" (2000).
/// </summary>
internal static class RollingOrigin
{
    /// <summary>How many times something is fitted and judged; the last time it is fitted to all training rows.</summary>
    internal const int Count = 4;

    /// <summary>One part: part 0 is fitted only; the others, each as long as the rows that choose, judge what came before.</summary>
    /// <param name="rows">The recording.</param>
    /// <param name="part">0 to <see cref="Count"/>.</param>
    internal static (int Begin, int End) Part(TrainingRows rows, int part)
    {
        int length = rows.ValidationEnd - rows.TrainEnd;
        int end = rows.ValidationEnd - ((Count - part) * length);
        return (part == 0 ? 0 : end - length, end);
    }
}
