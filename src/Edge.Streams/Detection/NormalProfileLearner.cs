using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>Learns what is normal from rows without a fault.</summary>
public static class NormalProfileLearner
{
    /// <summary>Fewest rows from which a profile is learned.</summary>
    public const int RowsMin = 200;

    /// <summary>Most columns.</summary>
    public const int ColumnsMax = 256;

    // A step larger than this many of the thousandth largest ones is not the plant's: another recording begins.
    private const double BreakFactor = 6;
    private const double BreakQuantile = 0.999;
    private const int RecordingRowsMin = 100;
    private const int LevelRows = 400;
    private const float DeviationMin = 1e-6f;

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
        profile.HasLevels = !LevelsDiffer(rows, count, columns);
        if (profile.HasLevels)
        {
            profile.Levels = MeasureLevels(rows, count, areConstant);
            profile.Relation = RelationLearner.Learn(rows, count, times, areConstant);
        }

        MeasureChanges(rows, count, profile);
        LearnPatterns(rows, count, profile);
        for (int column = 0; column < columns; column++)
        {
            profile.Longest[column] = LongestRun(rows, count, columns, column);
        }

        return profile;
    }

    // The longest run of equal values, in rows; 0 if the column never changes.
    private static int LongestRun(float[] rows, int count, int columns, int column)
    {
        int longest = 0;
        int begin = 0;
        for (int row = 1; row <= count; row++)
        {
            if (row == count || rows[(row * columns) + column] != rows[(begin * columns) + column])
            {
                longest = row == count && begin == 0 ? 0 : Math.Max(longest, row - begin);
                begin = row;
            }
        }

        return longest;
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
    private static bool LevelsDiffer(float[] rows, int count, int columns)
    {
        List<(int Begin, int End)> recordings = Recordings(rows, count, columns);
        if (recordings.Count < 3)
        {
            return false;
        }

        for (int column = 0; column < columns; column++)
        {
            double within = 0;
            double sum = 0;
            double squares = 0;
            foreach ((int begin, int end) in recordings)
            {
                (double mean, double variance) = Moments(rows, columns, column, begin, end);
                (double level, double _) = Moments(rows, columns, column, begin, Math.Min(end, begin + LevelRows));
                within += variance / recordings.Count;
                sum += level;
                squares += level * level;
            }

            double between = (squares / recordings.Count) - (sum * sum / recordings.Count / recordings.Count);
            if (between > within)
            {
                return true;
            }
        }

        return false;
    }

    private static List<(int Begin, int End)> Recordings(float[] rows, int count, int columns)
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
        int begin = 0;
        for (int row = 1; row <= count; row++)
        {
            bool ends = row == count;
            for (int column = 0; !ends && column < columns; column++)
            {
                ends = Math.Abs(rows[(row * columns) + column] - rows[((row - 1) * columns) + column]) > limits[column];
            }

            if (ends)
            {
                if (row - begin >= RecordingRowsMin)
                {
                    recordings.Add((begin, row));
                }

                begin = row;
            }
        }

        return recordings;
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

    private static ChartStatistics[] MeasureLevels(float[] rows, int count, bool[] areConstant)
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

            EwmaChart.Measure(values, statistics.AsSpan(column * spans, spans));
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
        const int Features = 5;
        int columns = profile.Channels;
        var measured = new PatternMemory(columns);
        Span<float> features = stackalloc float[Features];
        Span<float> deviations = stackalloc float[Features];
        var sums = new double[Features];
        var squares = new double[Features];
        for (int column = 0; column < columns; column++)
        {
            Array.Clear(sums);
            Array.Clear(squares);
            measured.Restart(column, rows[column]);
            for (int row = 0; row < count; row++)
            {
                measured.Measure(column, rows[(row * columns) + column], features);
                for (int f = 0; f < Features; f++)
                {
                    sums[f] += features[f];
                    squares[f] += (double)features[f] * features[f];
                }
            }

            for (int f = 0; f < Features; f++)
            {
                double mean = sums[f] / count;
                deviations[f] = (float)Math.Sqrt(Math.Max(0, (squares[f] / count) - (mean * mean)));
            }

            profile.Patterns.SetScale(column, deviations);
        }

        for (int row = 0; row < count; row++)
        {
            profile.Patterns.Observe(rows.AsSpan(row * columns, columns));
        }
    }
}
