using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>Learns what is normal from rows without a fault.</summary>
public static class NormalProfileLearner
{
    /// <summary>Fewest rows from which a profile is learned.</summary>
    public const int RowsMin = 150;

    /// <summary>Most columns.</summary>
    public const int ColumnsMax = 256;

    // A step larger than this many of the thousandth largest ones is not the plant's: another recording begins. Where the times are known,
    // it is only one if the time goes back there or jumps by so many usual steps; a machine that is switched on twice a day jumps, too.
    private const double BreakFactor = 6;
    private const double BreakQuantile = 0.999;
    private const int BreakSteps = 10;
    private const int RecordingRowsMin = 100;
    private const int LevelRows = 400;
    private const float DeviationMin = 1e-6f;

    // A channel with fewer values than this, beside the one at which it stays longest, is switched: it may stay at any of them.
    private const int ValuesElsewhereMin = 20;

    /// <summary>Learns a profile.</summary>
    /// <param name="rows">Calm rows in the model's normalized units, in order: [rows, columns], finite.</param>
    /// <param name="columns">Number of columns, 1..<see cref="ColumnsMax"/>.</param>
    /// <param name="times">
    /// Times of the rows, UTC, in order, from which the course of the day and of the week is learned; empty if they are not known.
    /// </param>
    /// <returns>
    /// The profile for <see cref="ModelManifest.NormalProfile"/>; empty with fewer than <see cref="RowsMin"/> rows or too many columns.
    /// </returns>
    /// <exception cref="ArgumentException">There are times, but not one of each row.</exception>
    public static byte[] Learn(ReadOnlySpan<float> rows, int columns, ReadOnlySpan<DateTime> times = default)
    {
        int count = rows.Length / columns;
        if (!times.IsEmpty && times.Length != count)
        {
            throw new ArgumentException($"There are {times.Length} times of {count} rows.", nameof(times));
        }

        return count < RowsMin || columns > ColumnsMax ? [] : Measure(rows.ToArray(), count, columns, times.ToArray()).ToBytes();
    }

    private static NormalProfile Measure(float[] rows, int count, int columns, DateTime[] times)
    {
        var profile = new NormalProfile(columns) { Rows = count };
        bool[] areConstant = Standardize(rows, count, profile);
        profile.HasLevels = !LevelsDiffer(rows, count, columns, times);
        if (profile.HasLevels)
        {
            profile.Levels = MeasureLevels(rows, count, areConstant, profile);
            profile.Noise = NoiseChart.IsEnough(count) ? NoiseChart.Measure(rows, count, areConstant) : [];
            profile.Relation = RelationLearner.Learn(rows, count, times, areConstant);
        }

        MeasureChanges(rows, count, profile);
        LearnPatterns(rows, count, profile);
        for (int column = 0; column < columns; column++)
        {
            MeasureRuns(rows, count, column, profile);
        }

        return profile;
    }

    // The longest run of equal values, in rows, 0 if the column never changes; and where it is, if the column has many other values.
    private static void MeasureRuns(float[] rows, int count, int column, NormalProfile profile)
    {
        var longest = new Dictionary<float, int>();
        int begin = 0;
        for (int row = 1; row <= count; row++)
        {
            float value = rows[(begin * profile.Channels) + column];
            if (row == count || rows[(row * profile.Channels) + column] != value)
            {
                longest[value] = Math.Max(longest.GetValueOrDefault(value), row - begin);
                begin = row;
            }
        }

        if (longest.Count < 2)
        {
            return;
        }

        float rest = longest.MaxBy(each => each.Value).Key;
        profile.Longest[column] = longest[rest];
        longest.Remove(rest);
        profile.LongestElsewhere[column] = longest.Values.Max();
        profile.Rest[column] = longest.Count >= ValuesElsewhereMin ? rest : float.NaN;
    }

    // Mean 0 and deviation 1, in place.
    private static bool[] Standardize(float[] rows, int count, NormalProfile profile)
    {
        int columns = profile.Channels;
        var areConstant = new bool[columns];
        for (int column = 0; column < columns; column++)
        {
            double sum = 0;
            double squares = 0;
            for (int row = 0; row < count; row++)
            {
                sum += rows[(row * columns) + column];
            }

            double mean = sum / count;
            for (int row = 0; row < count; row++)
            {
                double off = rows[(row * columns) + column] - mean;
                squares += off * off;
            }

            double deviation = Math.Sqrt(squares / count);
            areConstant[column] = deviation < DeviationMin;
            profile.Mean[column] = (float)mean;
            profile.Scale[column] = areConstant[column] ? 1 : (float)(1 / deviation);
            for (int row = 0; row < count; row++)
            {
                ref float value = ref rows[(row * columns) + column];
                value = (value - profile.Mean[column]) * profile.Scale[column];
            }
        }

        return areConstant;
    }

    // Several recordings in one file, whose levels differ more from one to the next than within one.
    private static bool LevelsDiffer(float[] rows, int count, int columns, DateTime[] times)
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
                within += Moments(rows, columns, column, begin, end).Variance / levels.Length;
                levels[at] = Moments(rows, columns, column, begin, Math.Min(end, begin + LevelRows)).Mean;
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
        var limits = new double[columns];
        var steps = new double[count - 1];
        for (int column = 0; column < columns; column++)
        {
            for (int row = 1; row < count; row++)
            {
                steps[row - 1] = Math.Abs((double)rows[(row * columns) + column] - rows[((row - 1) * columns) + column]);
            }

            Array.Sort(steps);
            limits[column] = BreakFactor * Math.Max(1e-9, steps[(int)(BreakQuantile * (steps.Length - 1))]);
        }

        var recordings = new List<(int Begin, int End)>();
        TimeSpan most = BreakSteps * UsualStep(times);
        int begin = 0;
        for (int row = 1; row <= count; row++)
        {
            if (row == count || (TimeJumps(row) && ValueJumps(row)))
            {
                if (row - begin >= RecordingRowsMin)
                {
                    recordings.Add((begin, row));
                }

                begin = row;
            }
        }

        return recordings;

        bool TimeJumps(int row) => most == default || times[row] < times[row - 1] || times[row] - times[row - 1] > most;

        bool ValueJumps(int row)
        {
            for (int column = 0; column < columns; column++)
            {
                if (Math.Abs(rows[(row * columns) + column] - rows[((row - 1) * columns) + column]) > limits[column])
                {
                    return true;
                }
            }

            return false;
        }
    }

    // The median time from row to row; zero if the times are not known.
    private static TimeSpan UsualStep(DateTime[] times)
    {
        if (times.Length == 0 || !CalendarTerms.IsKnown(times[0]))
        {
            return default;
        }

        TimeSpan[] steps = [.. times.Skip(1).Zip(times, (next, time) => next - time)];
        Array.Sort(steps);
        return steps[steps.Length / 2];
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

    private static ChartStatistics[] MeasureLevels(float[] rows, int count, bool[] areConstant, NormalProfile profile)
    {
        int columns = areConstant.Length;
        int spans = EwmaChart.SpansOf(count).Length;
        var statistics = new ChartStatistics[columns * spans];
        var values = new float[count];
        for (int column = 0; column < columns; column++)
        {
            if (areConstant[column])
            {
                statistics.AsSpan(column * spans, spans).Fill(ChartStatistics.Unlimited);
                continue;
            }

            for (int row = 0; row < count; row++)
            {
                values[row] = rows[(row * columns) + column];
            }

            profile.States[column] = OperatingLevels.StatesOf(values);
            profile.Operating[column] = profile.States[column].Length > 0 ? [] : OperatingLevels.Of(values);
            profile.Switching[column] = SwitchChart.Measure(values, profile.LevelsOf(column));
            profile.Reach[column] = values.Max(Math.Abs);
            EwmaChart.Measure(values, statistics.AsSpan(column * spans, spans), profile.Operating[column]);
        }

        return statistics;
    }

    private static void MeasureChanges(float[] rows, int count, NormalProfile profile)
    {
        int columns = profile.Channels;
        var changes = new float[columns];
        for (int column = 0; column < columns; column++)
        {
            double squares = 0;
            for (int row = 1; row < count; row++)
            {
                double change = rows[(row * columns) + column] - rows[((row - 1) * columns) + column];
                squares += change * change;
            }

            changes[column] = (float)Math.Sqrt(squares / (count - 1));
            profile.Change[column] = changes[column] / profile.Scale[column];
        }

        var residual = new ResidualStatistic(changes);
        for (int row = 1; row < count; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                changes[column] = rows[(row * columns) + column] - rows[((row - 1) * columns) + column];
            }

            residual.Observe(changes, isCalm: true);
        }

        residual.Bins.CopyTo(profile.Jumps);
    }

    private static void LearnPatterns(float[] rows, int count, NormalProfile profile)
    {
        const int Features = PatternCodebook.Features;
        int columns = profile.Channels;
        var measured = new PatternMemory(columns);
        var features = new float[columns * Features];
        var sums = new double[columns * Features];
        var squares = new double[columns * Features];
        for (int column = 0; column < columns; column++)
        {
            measured.Restart(column, rows[column]);
        }

        for (int row = 0; row < count; row++)
        {
            measured.Measure(rows.AsSpan(row * columns, columns), features);
            for (int at = 0; at < features.Length; at++)
            {
                sums[at] += features[at];
                squares[at] += (double)features[at] * features[at];
            }
        }

        Span<float> deviations = stackalloc float[Features];
        for (int column = 0; column < columns; column++)
        {
            for (int f = 0; f < Features; f++)
            {
                int at = (column * Features) + f;
                double mean = sums[at] / count;
                deviations[f] = (float)Math.Sqrt(Math.Max(0, (squares[at] / count) - (mean * mean)));
            }

            profile.Patterns.SetScale(column, deviations);
        }

        for (int row = 0; row < count; row++)
        {
            profile.Patterns.Observe(rows.AsSpan(row * columns, columns));
        }
    }
}
