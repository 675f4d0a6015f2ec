using Edge.Inference;

namespace Edge.Quantize.Calibration;

/// <summary>
/// Rare values apart from all others that are learned as readings, because no one can tell whether they are: zeros of a sensor that was
/// off, or of a machine that was. A person is told of them.
/// </summary>
internal static class LoneValues
{
    private const int RowsMin = 200;

    // Fewer than one row in so many.
    private const int RowsPerValue = 20;

    // The others have at least so many different values: between the levels of a switch, none is apart.
    private const int DifferentMin = 10;

    private const int ValuesMax = 3;

    /// <summary>What a person should know of such values of a column; null if there are none.</summary>
    /// <param name="column">Name of the column.</param>
    /// <param name="values">The column, [rows]; NaN where there is no value.</param>
    /// <param name="lineOf">Line of a row in its file.</param>
    internal static string? Describe(string column, ReadOnlySpan<double> values, Func<int, int> lineOf)
    {
        ArraySegment<double> others = values.ToArray().Where(double.IsFinite).Order().ToArray();
        if (others.Count < RowsMin)
        {
            return null;
        }

        int most = others.Count / RowsPerValue;
        var lone = new List<double>();
        int rows = 0;
        while (lone.Count < ValuesMax && Peel(ref others, most) is { } value)
        {
            lone.Add(value);
        }

        int first = -1;
        for (int row = 0; row < values.Length; row++)
        {
            if (lone.Contains(values[row]))
            {
                first = rows++ == 0 ? row : first;
            }
        }

        if (rows == 0 || others.Distinct().Take(DifferentMin).Count() < DifferentMin)
        {
            return null;
        }

        return $"column '{column}': {string.Join(", ", lone.Select(Sentinels.Text))} "
            + $"{(lone.Count > 1 ? "stand" : "stands")} in {Quantity.Of(rows, "row")}, "
            + $"{(rows > 1 ? "the first in line" : "line")} {lineOf(first)}, and all other values lie from {Sentinels.Text(others[0])} to "
            + $"{Sentinels.Text(others[^1])}: counted as measured; if it was not, empty these cells";
    }

    // Takes the smallest or the largest value off, if it is rare and farther from the others than these are from each other.
    private static double? Peel(ref ArraySegment<double> sorted, int most)
    {
        (double min, double max) = (sorted[0], sorted[^1]);
        int low = sorted.TakeWhile(value => value == min).Count();
        int high = sorted.Reverse().TakeWhile(value => value == max).Count();
        if (low <= most && sorted[low] - min >= max - sorted[low] && sorted[low] < max)
        {
            sorted = sorted[low..];
            return min;
        }

        if (high <= most && max - sorted[^(high + 1)] >= sorted[^(high + 1)] - min && sorted[^(high + 1)] > min)
        {
            sorted = sorted[..^high];
            return max;
        }

        return null;
    }
}
