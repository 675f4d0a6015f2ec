using System.Globalization;
using Edge.Inference;
using Edge.Sensors.Replay;

namespace Edge.Quantize.Learning;

/// <summary>How far the rows of a recording are apart for a model.</summary>
/// <param name="Period">From one tick to the next.</param>
/// <param name="Spacing">The same, where it tells which rows are missing; null for what the first rows of each file say.</param>
internal sealed record RecordingPeriod(TimeSpan Period, TimeSpan? Spacing)
{
    // Most rows: more than this share of them.
    private const double Most = 0.5;

    // Distances that differ by less than this share are the same.
    private const double Same = 0.25;

    // Rows are missing, rather than irregular, where most distances are within this share of a multiple of the period.
    private const double Multiple = 0.1;

    // A row is a tick if it follows the last one by so much of the period.
    private const double TickMin = 0.9;

    // A file whose rows are so much nearer than the period is thinned.
    private const double NearerBy = 1.5;

    /// <summary>
    /// The period that a person named; else what the first rows say, if it holds for most rows; else the distance of most rows, or the
    /// median of irregular ones.
    /// </summary>
    /// <param name="options">The recording.</param>
    /// <param name="names">Its columns.</param>
    /// <param name="wanted">What a person named, or null.</param>
    /// <param name="areTicks">Whether each row is a tick of a device.</param>
    /// <param name="notes">Gets a sentence if the interval changes.</param>
    /// <exception cref="InputException">The times do not tell it.</exception>
    internal static RecordingPeriod Of(
        ReplayOptions options, string[] names, TimeSpan? wanted, bool areTicks, List<string> notes)
    {
        if (wanted is { } period)
        {
            return new RecordingPeriod(period, areTicks ? null : wanted);
        }

        RecordingShape shape = RecordingShape.Of(options, names);
        TimeSpan first = shape.Spacing
            ?? throw new InputException(shape.UnreadTime is { } problem
                ? $"Readings '{options.File}', {problem}."
                : shape.TimesAt.Length > 0
                    ? $"Readings '{options.File}' have fewer than two rows with different times. Record for longer."
                    : $"Readings '{options.File}' have no column of times that tells how far their rows are apart. Name it with "
                        + "--time-column, or add --period, in seconds.");
        List<TimeSpan> distances = Distances(shape);
        TimeSpan middle = distances.Count == 0 ? first : RecordingShape.Whole(distances[distances.Count / 2]);
        bool isRegular = Share(distances, distance => Math.Abs((distance / middle) - 1) < Same) > Most;
        bool isOfMost = Share(distances, distance => Math.Round(distance / first) == 1) > Most && (middle / first) - 1 < Same;
        if (isOfMost
            || (!isRegular && Share(distances, distance => Math.Abs((distance / first) - Math.Round(distance / first)) < Multiple) > Most))
        {
            return new RecordingPeriod(first, null);
        }

        notes.Add(isRegular
            ? $"the interval of the rows changes: {Seconds(first)} s at first, {Seconds(middle)} s for most rows, which is the period"
            : $"the rows are at irregular intervals: {Seconds(middle)} s is the middle one, which is the period");
        return new RecordingPeriod(middle, middle);
    }

    /// <summary>Whether rows of a file may be nearer than the period, so that some are left out.</summary>
    internal bool Thins(ReplayOptions file, string[] names) =>
        Spacing is { } spacing && RecordingShape.Of(file, names).Spacing is { } own && spacing / own > NearerBy;

    /// <summary>Whether a row follows the last one that was taken too closely to be a tick.</summary>
    internal bool IsTooNear(DateTime? last, DateTime time) => time - last < TickMin * Period;

    /// <summary>Ticks that are missing between two rows.</summary>
    internal long SkippedTicks(DateTime? last, DateTime time) =>
        last is { } before ? Math.Max(0, (long)Math.Round((time - before) / Period) - 1) : 0;

    private static double Share(List<TimeSpan> distances, Func<TimeSpan, bool> isOne) =>
        distances.Count == 0 ? 0 : (double)distances.Count(isOne) / distances.Count;

    // Of all rows that are newer than the one before, in order.
    private static List<TimeSpan> Distances(RecordingShape shape)
    {
        var distances = new List<TimeSpan>();
        using CsvRows rows = shape.Open();
        DateTime before = default;
        while (rows.Read())
        {
            if (shape.ReadTime(shape.TimeText(rows), before, out DateTime time) is null)
            {
                if (before != default && time > before)
                {
                    distances.Add(time - before);
                }

                before = time;
            }
        }

        distances.Sort();
        return distances;
    }

    /// <summary>A time in seconds, for a sentence.</summary>
    internal static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("0.######", CultureInfo.InvariantCulture);
}
