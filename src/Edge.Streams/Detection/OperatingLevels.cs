namespace Edge.Streams.Detection;

/// <summary>
/// Levels far apart between which a channel is switched, such as the power of a machine that is on or off: it is between them for moments
/// only, and comes back to each. They are the groups with the least sum of squares, by dynamic programming over bins (Fisher, "On grouping
/// for maximum homogeneity", 1958), of as many as are far apart.
/// </summary>
internal static class OperatingLevels
{
    /// <summary>Most levels of a channel.</summary>
    internal const int Most = 6;

    // Rows between two levels, in the middle half of the distance, as a share of those of the rarer one.
    private const double BetweenShare = 0.05;

    // The distance of two levels, in steps of the sensor: numbers that are counted have no levels.
    private const double StepsApart = 4;

    // A level has this share of the rows at least. The channel has come to it so often, in so many of five parts of the rows, and stayed
    // for so many rows on average. What a coarse sensor gives of a noisy value changes from row to row; a door is open for a moment, and
    // then closed for long.
    private const double RowsShare = 0.01;
    private const int VisitsMin = 3;
    private const int StayMin = 3;
    private const int StayOfStatesMin = 10;
    private const int Parts = 5;
    private const int PartsMin = 3;

    // Groups of values are found among those of bins.
    private const int Bins = 256;

    /// <summary>The levels, in ascending order; empty for a channel without.</summary>
    /// <param name="values">Calm values, in order.</param>
    internal static float[] Of(ReadOnlySpan<float> values)
    {
        float[] sorted = values.ToArray();
        Array.Sort(sorted);
        float step = Step(sorted);
        if (step == 0)
        {
            return [];
        }

        // Values that end before each bin, of the range cut into bins of one width.
        float width = (sorted[^1] - sorted[0]) / Bins;
        int[] ends = [.. Enumerable.Range(0, Bins).Select(bin => FirstFrom(sorted, sorted[0] + (bin * width))), sorted.Length];
        int[,] from = Partition(sorted, ends);
        for (int count = Most; count > 1; count--)
        {
            float[] levels = Medians(sorted, ends, from, count);
            if (AreApart(levels, sorted, step) && Recur(levels, values, StayMin))
            {
                return levels;
            }
        }

        return [];
    }

    /// <summary>The values of a channel that has only a few and stays at each for a while, such as 0 and 1; empty for others.</summary>
    /// <param name="values">Calm values, in order.</param>
    internal static float[] StatesOf(ReadOnlySpan<float> values)
    {
        var states = new SortedSet<float>();
        foreach (float value in values)
        {
            states.Add(value);
            if (states.Count > Most)
            {
                return [];
            }
        }

        float[] all = [.. states];
        return all.Length > 1 && Recur(all, values, stayMin: 1) && Stays(values) >= StayOfStatesMin ? all : [];
    }

    /// <summary>The distance from the level that is nearest to a value to the next one.</summary>
    internal static float Gap(ReadOnlySpan<float> levels, float value)
    {
        float gap = float.PositiveInfinity;
        float nearest = Nearest(levels, value);
        foreach (float level in levels)
        {
            gap = level == nearest ? gap : Math.Min(gap, Math.Abs(level - nearest));
        }

        return gap;
    }

    /// <summary>The level that is nearest to a value.</summary>
    internal static float Nearest(ReadOnlySpan<float> levels, float value)
    {
        int at = 0;
        while (at < levels.Length - 1 && value - levels[at] > levels[at + 1] - value)
        {
            at++;
        }

        return levels[at];
    }

    // The median distance of different values that are neighbours; 0 if there are fewer than three.
    private static float Step(float[] sorted)
    {
        float[] steps = [.. sorted.Zip(sorted.Skip(1), (low, high) => high - low).Where(step => step > 0).Order()];
        return steps.Length < 2 ? 0 : steps[(steps.Length - 1) / 2];
    }

    private static int FirstFrom(float[] sorted, float value)
    {
        int first = 0;
        int end = sorted.Length;
        while (first < end)
        {
            int middle = (first + end) / 2;
            (first, end) = sorted[middle] < value ? (middle + 1, end) : (first, middle);
        }

        return first;
    }

    // Where the last group begins of the groups with the least sum of squares about their means: [groups - 1, end], in bins.
    private static int[,] Partition(float[] sorted, int[] ends)
    {
        var sums = new double[sorted.Length + 1];
        var squares = new double[sorted.Length + 1];
        for (int at = 0; at < sorted.Length; at++)
        {
            sums[at + 1] = sums[at] + sorted[at];
            squares[at + 1] = squares[at] + ((double)sorted[at] * sorted[at]);
        }

        var from = new int[Most, Bins + 1];
        double[] fewer = [.. Enumerable.Range(0, Bins + 1).Select(end => Scatter(0, end))];
        for (int group = 1; group < Most; group++)
        {
            var least = new double[Bins + 1];
            for (int end = 0; end <= Bins; end++)
            {
                least[end] = double.PositiveInfinity;
                for (int begin = 0; begin <= end; begin++)
                {
                    double sum = fewer[begin] + Scatter(begin, end);
                    if (sum < least[end])
                    {
                        (least[end], from[group, end]) = (sum, begin);
                    }
                }
            }

            fewer = least;
        }

        return from;

        double Scatter(int begin, int end)
        {
            int rows = ends[end] - ends[begin];
            double sum = sums[ends[end]] - sums[ends[begin]];
            return rows == 0 ? 0 : squares[ends[end]] - squares[ends[begin]] - (sum * sum / rows);
        }
    }

    private static float[] Medians(float[] sorted, int[] ends, int[,] from, int groups)
    {
        var medians = new float[groups];
        int end = Bins;
        for (int group = groups - 1; group >= 0; group--)
        {
            int begin = from[group, end];
            medians[group] = sorted[Math.Min((ends[begin] + ends[end]) / 2, sorted.Length - 1)];
            end = begin;
        }

        return medians;
    }

    private static bool AreApart(float[] levels, float[] sorted, float step)
    {
        for (int at = 1; at < levels.Length; at++)
        {
            (float low, float high) = (levels[at - 1], levels[at]);
            float quarter = (high - low) / 4;
            int between = sorted.Count(value => value > low + quarter && value < high - quarter);
            int rarer = Math.Min(RowsOf(low), RowsOf(high));
            if (high - low < StepsApart * step || between > BetweenShare * rarer)
            {
                return false;
            }
        }

        return true;

        int RowsOf(float level) => sorted.Count(value => Nearest(levels, value) == level);
    }

    // Rows in a run of equal values, on average.
    private static double Stays(ReadOnlySpan<float> values)
    {
        int runs = 1;
        for (int row = 1; row < values.Length; row++)
        {
            runs += values[row] != values[row - 1] ? 1 : 0;
        }

        return (double)values.Length / runs;
    }

    private static bool Recur(float[] levels, ReadOnlySpan<float> values, int stayMin)
    {
        foreach (float level in levels)
        {
            int rows = 0;
            int visits = 0;
            bool isThere = false;
            var parts = new bool[Parts];
            for (int row = 0; row < values.Length; row++)
            {
                bool wasThere = isThere;
                isThere = Nearest(levels, values[row]) == level;
                rows += isThere ? 1 : 0;
                visits += isThere && !wasThere ? 1 : 0;
                parts[(int)((long)row * Parts / values.Length)] |= isThere;
            }

            bool isRare = rows < RowsShare * values.Length || visits < VisitsMin || rows < stayMin * visits;
            if (isRare || parts.Count(isOfLevel => isOfLevel) < PartsMin)
            {
                return false;
            }
        }

        return true;
    }
}
