using Edge.Quantize.Calibration;

namespace Edge.Quantize.Learning;

/// <summary>Rows of recordings as they are read, not normalized.</summary>
/// <param name="Values">[rows, columns]; the last one where there is none.</param>
/// <param name="IsKnown">[rows, columns]: whether a value was measured.</param>
/// <param name="Ticks">Number of the tick of each row.</param>
/// <param name="IsFault">Whether a person marked a row as a fault.</param>
/// <param name="Times">Time of each row, UTC.</param>
internal sealed record LoadedRows(
    List<double> Values, List<bool> IsKnown, List<long> Ticks, List<bool> IsFault, List<DateTime> Times)
{
    /// <summary>Rows that are left out, because they are not newer than the one before.</summary>
    internal long Skipped { get; set; }

    /// <summary>How many of them and the first, for a sentence; null for none.</summary>
    internal string? FirstSkipped { get; set; }

    /// <summary>Why there are too few rows, and what to do, as a sentence without its end.</summary>
    internal string WhyTooFew() => Skipped <= Ticks.Count || FirstSkipped is not { } skipped
        ? "Record longer"
        : char.ToUpperInvariant(skipped[0]) + skipped[1..] + (Times.TrueForAll(time => time.TimeOfDay == TimeSpan.Zero)
            ? ": write the time of day beside the date, or name its column with a second --time-column"
            : ": sort the rows by time");

    /// <summary>Counts values that stand in place of a measurement as missing: the last value stands in for them.</summary>
    /// <param name="first">The first row of a file.</param>
    /// <param name="names">The columns.</param>
    /// <param name="lines">Line of each row of the file.</param>
    /// <param name="say">Gets a sentence for each column that has any.</param>
    internal void TakeOutSentinels(int first, string[] names, List<int> lines, Action<string> say)
    {
        var column = new double[lines.Count];
        for (int i = 0; i < names.Length; i++)
        {
            for (int row = 0; row < column.Length; row++)
            {
                int at = ((first + row) * names.Length) + i;
                column[row] = IsKnown[at] && !IsFault[first + row] ? Values[at] : double.NaN;
            }

            int[] rows = Sentinels.Find(column);
            if (rows.Length > 0)
            {
                say(Sentinels.Describe(names[i], column, rows, lines[rows[0]]));
                Hold(i, rows);
            }

            if (LoneValues.Describe(names[i], column, row => lines[row]) is { } kept)
            {
                say(kept);
            }
        }

        void Hold(int i, int[] rows)
        {
            HashSet<double> sentinels = [.. rows.Select(row => column[row])];
            foreach (int row in rows)
            {
                column[row] = double.NaN;
                IsKnown[((first + row) * names.Length) + i] = false;
            }

            double last = Values[(first * names.Length) + i];
            if (sentinels.Contains(last))
            {
                last = Array.Find(column, double.IsFinite);
            }

            for (int row = 0; row < column.Length; row++)
            {
                int at = ((first + row) * names.Length) + i;
                if (IsKnown[at])
                {
                    last = Values[at];
                }

                Values[at] = last;
            }
        }
    }
}
