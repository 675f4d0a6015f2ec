using System.Globalization;
using Edge.Inference;
using Edge.Quantize.Calibration;
using Edge.Sensors.Replay;
using static Edge.Quantize.Learning.RecordingPeriod;

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
    // Share of the rows whose loss is a warning.
    private const double MuchSkipped = 0.1;

    /// <summary>The row after the last one that is learned from, and after the last one that is chosen on; the rest is scored on.</summary>
    internal (int Train, int Validation) Ends => (Ticks.Count * 7 / 10, Ticks.Count * 8 / 10);

    /// <summary>Rows that are left out, because they are not newer than the one before.</summary>
    internal long Skipped { get; set; }

    /// <summary>How many of them and the first, for a sentence; null for none.</summary>
    internal string? FirstSkipped { get; set; }

    /// <summary>Why there are too few rows, and what to do, as a sentence without its end.</summary>
    internal string WhyTooFew() => Skipped <= Ticks.Count || FirstSkipped is not { } skipped
        ? "Record longer"
        : char.ToUpperInvariant(skipped[0]) + skipped[1..] + AdviceOnOrder;

    private string AdviceOnOrder => Times.TrueForAll(time => time.TimeOfDay == TimeSpan.Zero)
        ? ": write the time of day beside the date, or name its column with a second --time-column"
        : ": sort the rows by time, or remove those whose time is wrong";

    /// <summary>A warning if the order of the times costs a tenth of a file's rows or more; else null.</summary>
    /// <param name="sensor">The file, read to its end.</param>
    /// <param name="taken">Rows that it gave.</param>
    internal string? WarningOfSkipped(ReplaySensor sensor, long taken)
    {
        double share = sensor.SkippedRows / (double)Math.Max(1, sensor.SkippedRows + taken);
        return share < MuchSkipped ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"warning: {100 * share:0} % of the rows are left out, {sensor.SkippedRows} of {sensor.SkippedRows + taken}, because they are "
                + $"not newer than the one before, the first in {sensor.FirstSkip}{AdviceOnOrder}");
    }

    /// <summary>Refuses rows of which a part follows gaps only: nothing could be learned, chosen or scored there.</summary>
    /// <exception cref="InputException">There is such a part.</exception>
    internal void RequireNeighbors(string file, TimeSpan period)
    {
        int[] ends = [0, Ends.Train, Ends.Validation, Ticks.Count];
        for (int part = 1; part < ends.Length; part++)
        {
            int[] rows = [.. Enumerable.Range(ends[part - 1], ends[part] - ends[part - 1]).Skip(1)];
            if (Array.Exists(rows, row => Ticks[row] == Ticks[row - 1] + 1))
            {
                continue;
            }

            TimeSpan[] distances = [.. rows.Select(row => Times[row] - Times[row - 1]).Order()];
            string what = part == 1 ? "learned from" : part == 2 ? "chosen on" : "scored on";
            string advice = distances.Length == 0
                ? "Record longer"
                : $"Most of them are {Seconds(RecordingShape.Whole(distances[distances.Length / 2]))} s apart: set --period to what most "
                    + "rows of the recording have, or learn from the rows of one interval";
            throw new InputException(
                $"Readings '{file}': at a period of {Seconds(period)} s there is a gap between all rows from {ends[part - 1]} to "
                    + $"{ends[part] - 1}, so nothing can be {what} them. {advice}.");
        }
    }

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
