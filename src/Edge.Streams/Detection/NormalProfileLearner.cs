using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>Learns what is normal from rows without a fault.</summary>
public static class NormalProfileLearner
{
    /// <summary>Fewest rows from which a profile is learned.</summary>
    public const int RowsMin = 150;

    /// <summary>Most columns.</summary>
    public const int ColumnsMax = 256;

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

    /// <summary>
    /// Whether the levels of a model's profile are those of any stream; false where it is of several recordings that differ in theirs, so
    /// that the first rows of each stream say what is normal. True without a profile.
    /// </summary>
    /// <exception cref="Edge.Inference.ModelFormatException">The profile is damaged.</exception>
    public static bool LevelsHold(ModelManifest manifest) => NormalProfile.Of(manifest) is not { HasLevels: false };

    /// <summary>Learns levels and relations from the first rows of a stream, whatever levels they are at.</summary>
    /// <param name="rows">In the model's normalized units: [count, columns]; standardized afterwards.</param>
    /// <param name="count">Number of rows, enough for relations.</param>
    /// <param name="columns">Number of columns.</param>
    internal static NormalProfile LearnFirst(float[] rows, int count, int columns)
    {
        var profile = NormalProfile.OfFirstRows(columns, count);
        bool[] areConstant = Standardize(rows, count, profile);
        int spans = profile.Levels.Length / columns;
        for (int column = 0; column < columns; column++)
        {
            if (!areConstant[column])
            {
                EwmaChart.Measure(Column(rows, count, column, columns), profile.Levels.AsSpan(column * spans, spans));
            }
        }

        profile.Relation = RelationLearner.Learn(rows, count, [], areConstant) ?? profile.Relation;
        return profile;
    }

    private static NormalProfile Measure(float[] rows, int count, int columns, DateTime[] times)
    {
        var profile = new NormalProfile(columns) { Rows = count };
        bool[] areConstant = Standardize(rows, count, profile);
        profile.HasLevels = !CalibrationRecordings.LevelsDiffer(rows, count, columns, times);
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

    private static ChartStatistics[] MeasureLevels(float[] rows, int count, bool[] areConstant, NormalProfile profile)
    {
        int columns = areConstant.Length;
        int spans = EwmaChart.SpansOf(count).Length;
        var statistics = new ChartStatistics[columns * spans];
        for (int column = 0; column < columns; column++)
        {
            if (areConstant[column])
            {
                statistics.AsSpan(column * spans, spans).Fill(ChartStatistics.Unlimited);
                continue;
            }

            float[] values = Column(rows, count, column, columns);
            profile.States[column] = OperatingLevels.StatesOf(values);
            profile.Operating[column] = profile.States[column].Length > 0 ? [] : OperatingLevels.Of(values);
            profile.Switching[column] = SwitchChart.Measure(values, profile.LevelsOf(column));
            profile.Reach[column] = values.Max(Math.Abs);
            EwmaChart.Measure(values, statistics.AsSpan(column * spans, spans), profile.Operating[column]);
        }

        return statistics;
    }

    private static float[] Column(float[] rows, int count, int column, int columns)
    {
        var values = new float[count];
        for (int row = 0; row < count; row++)
        {
            values[row] = rows[(row * columns) + column];
        }

        return values;
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
