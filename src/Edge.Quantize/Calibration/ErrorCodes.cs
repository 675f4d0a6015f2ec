namespace Edge.Quantize.Calibration;

/// <summary>
/// Well-known values that a device writes in place of a measurement, however often: a sensor that is off writes its code in every row. One
/// counts only where it is apart from all other values; in the middle of them it is a measurement.
/// </summary>
internal static class ErrorCodes
{
    // A DS18B20 that does not answer, in degC and in degF, and the fill values of loggers and weather stations. No column that is positive
    // or spreads less than its distance from them measures these.
    private static readonly Family Fill = new(
        [-127, -196.6, -99, -99.9, -99.99, -999, -999.25, -999.9, -9999, -9999.9, -99999], Room: 1, DifferentMin: 2, RunMax: int.MaxValue);

    // The ends of integers, in tenths and hundredths, too, and nines. A valve or a pulse width may stand at such an end: so the other
    // values must be measurements, many different ones, and much closer together.
    private static readonly Family Full = new(
        [
            999.9, 9999, 9999.9, 99999, short.MinValue, -3276.8, -327.68, short.MaxValue, 3276.7, 327.67, ushort.MaxValue, 6553.5, 655.35,
            int.MinValue, int.MaxValue, uint.MaxValue,
        ],
        Room: 3, DifferentMin: 10, RunMax: int.MaxValue);

    // What a DS18B20 reads when it lost its supply, in degC and in degF: also a usual temperature of water, so only in a few rows at once,
    // and rarely.
    private static readonly Family PowerOn = new([85, 185], Room: 3, DifferentMin: 10, RunMax: 3);

    // Of a code that may be a measurement: fewer than one row in so many.
    private const int RowsPerRareCode = 100;

    /// <summary>The rows of one column that hold an error code, in order.</summary>
    /// <param name="values">The column, [rows]; NaN where there is no value.</param>
    internal static int[] Find(ReadOnlySpan<double> values)
    {
        var rows = new List<int>();
        foreach (Family family in (Family[])[Fill, Full, PowerOn])
        {
            rows.AddRange(Find(values, family, rows));
        }

        return [.. rows.Order()];
    }

    private static List<int> Find(ReadOnlySpan<double> values, Family family, List<int> taken)
    {
        var found = new List<int>();
        var before = new HashSet<int>(taken);
        HashSet<double> there = [.. values.ToArray().Where(value => Array.IndexOf(family.Codes, value) >= 0)];
        foreach (double code in there)
        {
            (double min, double max, int others) = (double.PositiveInfinity, double.NegativeInfinity, 0);
            var different = new HashSet<double>();
            var rows = new List<int>();
            for (int row = 0; row < values.Length; row++)
            {
                double value = values[row];
                if (value == code)
                {
                    rows.Add(row);
                }
                else if (double.IsFinite(value) && !there.Contains(value) && !before.Contains(row))
                {
                    (min, max, others) = (Math.Min(min, value), Math.Max(max, value), others + 1);
                    if (different.Count < family.DifferentMin)
                    {
                        different.Add(value);
                    }
                }
            }

            bool isApart = code < min ? min - code >= family.Room * (max - min) : code - max >= family.Room * (max - min);
            if (isApart && different.Count >= family.DifferentMin && others >= rows.Count
                && (family.RunMax == int.MaxValue || (IsInShortRuns(rows, family.RunMax) && rows.Count * RowsPerRareCode < others)))
            {
                found.AddRange(rows);
            }
        }

        return found;
    }

    private static bool IsInShortRuns(List<int> rows, int most)
    {
        for (int at = most; at < rows.Count; at++)
        {
            if (rows[at] - rows[at - most] == most)
            {
                return false;
            }
        }

        return true;
    }

    /// <param name="Codes">The values.</param>
    /// <param name="Room">Distance to the nearest other value, at least this many times the range of all others.</param>
    /// <param name="DifferentMin">Fewest different other values.</param>
    /// <param name="RunMax">Most rows in a row.</param>
    private sealed record Family(double[] Codes, double Room, int DifferentMin, int RunMax);
}
