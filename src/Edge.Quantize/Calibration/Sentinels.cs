using System.Globalization;
using Edge.Inference;

namespace Edge.Quantize.Calibration;

/// <summary>
/// Finds values that a device writes in place of a measurement, such as -9999 or 65535. One of them, far outside of everything else, would
/// set the scale of a whole column.
/// </summary>
internal static class Sentinels
{
    // As many standard deviations from the median; the interquartile range of a normal distribution is 1.349 of them.
    private const double DistanceMin = 50;
    private const double RangePerDeviation = 1.349;

    // Fewer than one row in so many.
    private const int RowsPerSentinel = 200;

    // More different values are a tail of real ones.
    private const int DifferentMax = 3;

    // So much farther from the median than all other values: those of a real tail follow one another more closely.
    private const double Apart = 5;

    // The values before and after lie this close, in standard deviations: the plant itself did not move.
    private const double NeighborsMax = 5;

    /// <summary>The rows of one column whose value stands in place of a measurement, in order.</summary>
    /// <param name="values">The column, [rows]; NaN where there is no value.</param>
    internal static int[] Find(ReadOnlySpan<double> values)
    {
        var rows = new List<int>();
        double[] left = values.ToArray();

        // A far value hides a code from the range of the others, and a code may be among the far values.
        foreach (Finder find in (Finder[])[FindFar, ErrorCodes.Find, FindFar])
        {
            foreach (int row in find(left))
            {
                rows.Add(row);
                left[row] = double.NaN;
            }
        }

        return [.. rows.Order()];
    }

    private delegate int[] Finder(ReadOnlySpan<double> values);

    // Each is rare, far outside of all others, and alone between two values that are near one another, or repeated there. None if the
    // interquartile range of the column is 0.
    private static int[] FindFar(ReadOnlySpan<double> values)
    {
        double[] sorted = [.. values.ToArray().Where(double.IsFinite).Order()];
        if (sorted.Length < RowsPerSentinel)
        {
            return [];
        }

        double median = sorted[sorted.Length / 2];
        double deviation = (sorted[3 * sorted.Length / 4] - sorted[sorted.Length / 4]) / RangePerDeviation;
        if (!(deviation > 0))
        {
            return [];
        }

        double bound = DistanceMin * deviation;
        var rows = new List<int>();
        double others = 0;
        for (int row = 0; row < values.Length; row++)
        {
            double distance = Math.Abs(values[row] - median);
            if (distance > bound)
            {
                rows.Add(row);
            }
            else if (distance > others)
            {
                others = distance;
            }
        }

        if (rows.Count == 0 || (long)rows.Count * RowsPerSentinel >= sorted.Length)
        {
            return [];
        }

        var different = new HashSet<double>();
        for (int at = 0; at < rows.Count;)
        {
            // A run of far values, with missing ones between them.
            double value = values[rows[at]];
            int last = rows[at];
            different.Add(value);
            int next = at + 1;
            for (; next < rows.Count && AreMissing(values[(last + 1)..rows[next]]); next++)
            {
                if (values[rows[next]] != value)
                {
                    return [];
                }

                last = rows[next];
            }

            double before = LastOf(values[..rows[at]]);
            double after = FirstOf(values[(last + 1)..]);
            if (Math.Abs(value - median) < Apart * others || Math.Abs(before - after) > NeighborsMax * deviation)
            {
                return [];
            }

            at = next;
        }

        return different.Count <= DifferentMax ? [.. rows] : [];
    }

    /// <summary>What a person should know of the values that are taken for missing.</summary>
    /// <param name="column">Name of the column.</param>
    /// <param name="values">The column before they are taken out.</param>
    /// <param name="rows">What <see cref="Find"/> has found, not empty.</param>
    /// <param name="line">Line of the first of them in its file.</param>
    internal static string Describe(string column, ReadOnlySpan<double> values, int[] rows, int line)
    {
        var different = new HashSet<double>();
        foreach (int row in rows)
        {
            different.Add(values[row]);
        }

        string text = string.Join(", ", different.Select(Text));
        string first = rows.Length > 1 ? "the first in line" : "line";
        return $"column '{column}': {text} {(different.Count > 1 ? "stand" : "stands")} in {Quantity.Of(rows.Length, "row")}, "
            + $"{first} {line}, far outside of all other values: counted as missing{Advice(values, different)}";
    }

    // The range of a channel that leaves the values out; nothing where they lie between others.
    private static string Advice(ReadOnlySpan<double> values, HashSet<double> outside)
    {
        double[] others = [.. values.ToArray().Where(value => double.IsFinite(value) && !outside.Contains(value))];
        (double min, double max) = (others.Min(), others.Max());
        double[] below = [.. outside.Where(value => value < min)];
        double[] above = [.. outside.Where(value => value > max)];
        string[] limits =
        [
            .. below.Length > 0 ? [$"'min' between {Text(below.Max())} and {Text(min)}"] : Array.Empty<string>(),
            .. above.Length > 0 ? [$"'max' between {Text(max)} and {Text(above.Min())}"] : Array.Empty<string>(),
        ];
        return limits.Length == 0
            ? ""
            : $"; in edge.yaml, set {string.Join(" and ", limits)} for it, so that it is missing on the device, too";
    }

    /// <summary>A value in a sentence.</summary>
    internal static string Text(double value) => value.ToString("G6", CultureInfo.InvariantCulture);

    private static bool AreMissing(ReadOnlySpan<double> values) => double.IsNaN(FirstOf(values));

    private static double FirstOf(ReadOnlySpan<double> values)
    {
        foreach (double value in values)
        {
            if (double.IsFinite(value))
            {
                return value;
            }
        }

        return double.NaN;
    }

    private static double LastOf(ReadOnlySpan<double> values)
    {
        for (int row = values.Length - 1; row >= 0; row--)
        {
            if (double.IsFinite(values[row]))
            {
                return values[row];
            }
        }

        return double.NaN;
    }
}
