namespace Edge.Streams.Detection;

/// <summary>Tells whether calibration rows are several recordings that differ in their levels.</summary>
internal static class CalibrationRecordings
{
    // Where the time goes back to one of rows before, another recording begins. And where a step is larger than this many of the thousandth
    // largest ones, which is not the plant's; if the times are known, only where they jump, too, by so many usual steps: a machine is
    // switched on twice a day.
    private const double BreakFactor = 6;
    private const double BreakQuantile = 0.999;
    private const int BreakSteps = 10;
    private const int RecordingRowsMin = 100;

    /// <summary>Whether these are three recordings or more, whose levels differ more from one to the next than within one.</summary>
    /// <param name="rows">[count, columns].</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="columns">Number of columns.</param>
    /// <param name="times">Times of the rows, UTC; empty if they are not known.</param>
    internal static bool LevelsDiffer(float[] rows, int count, int columns, DateTime[] times)
    {
        List<(int Begin, int End)> recordings = Recordings(rows, count, columns, times);
        if (recordings.Count < 3)
        {
            return false;
        }

        var levels = new double[recordings.Count];
        for (int column = 0; column < columns; column++)
        {
            double within = 0;
            for (int at = 0; at < levels.Length; at++)
            {
                (int begin, int end) = recordings[at];
                (levels[at], double variance) = Moments(rows, columns, column, begin, end);
                within += variance / levels.Length;
            }

            double mean = levels.Average();
            double between = levels.Average(level => (level - mean) * (level - mean));
            if (between > within && !AreSwitched(levels))
            {
                return true;
            }
        }

        return false;
    }

    // What is switched on and off is back at its level two steps later.
    private static bool AreSwitched(double[] levels)
    {
        const double Share = 0.1;
        double once = 0;
        double twice = 0;
        for (int at = 2; at < levels.Length; at++)
        {
            once += Math.Pow(levels[at] - levels[at - 1], 2);
            twice += Math.Pow(levels[at] - levels[at - 2], 2);
        }

        return twice < Share * once;
    }

    private static List<(int Begin, int End)> Recordings(float[] rows, int count, int columns, DateTime[] times)
    {
        TimeSpan most = BreakSteps * UsualStep(times);
        HashSet<int> parallel = most == default ? [] : ParallelRecordings(times);
        int[] within = [.. Enumerable.Range(1, count - 1).Where(row => !parallel.Contains(row))];
        var limits = new double[columns];
        for (int column = 0; column < columns; column++)
        {
            double[] steps = [.. within.Select(row => Math.Abs((double)Value(row, column) - Value(row - 1, column)))];
            Array.Sort(steps);
            limits[column] = BreakFactor * Math.Max(1e-9, steps[(int)(BreakQuantile * (steps.Length - 1))]);
        }

        var recordings = new List<(int Begin, int End)>();
        int begin = 0;
        for (int row = 1; row <= count; row++)
        {
            if (row == count || parallel.Contains(row) || (TimeJumps(row) && ValueJumps(row)))
            {
                if (row - begin >= RecordingRowsMin)
                {
                    recordings.Add((begin, row));
                }

                begin = row;
            }
        }

        return recordings;

        float Value(int row, int column) => rows[(row * columns) + column];

        bool TimeJumps(int row) => most == default || times[row] < times[row - 1] || times[row] - times[row - 1] > most;

        bool ValueJumps(int row)
        {
            for (int column = 0; column < columns; column++)
            {
                if (Math.Abs(Value(row, column) - Value(row - 1, column)) > limits[column])
                {
                    return true;
                }
            }

            return false;
        }
    }

    // The first rows of recordings that were made at the same time as another, so on another device. Those of one device may be given in
    // any order.
    private static HashSet<int> ParallelRecordings(DateTime[] times)
    {
        int[] begins = [.. Enumerable.Range(0, times.Length).Where(row => row == 0 || times[row] < times[row - 1])];
        int[] lasts = [.. begins.Skip(1).Append(times.Length).Select(end => end - 1)];
        var parallel = new HashSet<int>();
        (int Begin, DateTime End) latest = (-1, DateTime.MinValue);
        foreach ((int begin, int last) in begins.Zip(lasts).OrderBy(span => times[span.First]))
        {
            if (times[begin] <= latest.End)
            {
                parallel.UnionWith([latest.Begin, begin]);
            }

            latest = times[last] > latest.End ? (begin, times[last]) : latest;
        }

        return parallel;
    }

    // The median time from row to row; zero if the times are not known, or run backwards.
    private static TimeSpan UsualStep(DateTime[] times)
    {
        if (times.Length == 0 || !CalendarTerms.IsKnown(times[0]))
        {
            return default;
        }

        TimeSpan[] steps = [.. times.Skip(1).Zip(times, (next, time) => next - time)];
        Array.Sort(steps);
        return steps[steps.Length / 2] > TimeSpan.Zero ? steps[steps.Length / 2] : default;
    }

    private static (double Mean, double Variance) Moments(float[] rows, int columns, int column, int begin, int end)
    {
        double sum = 0;
        double squares = 0;
        for (int row = begin; row < end; row++)
        {
            double value = rows[(row * columns) + column];
            sum += value;
            squares += value * value;
        }

        double mean = sum / (end - begin);
        return (mean, Math.Max(0, (squares / (end - begin)) - (mean * mean)));
    }
}
