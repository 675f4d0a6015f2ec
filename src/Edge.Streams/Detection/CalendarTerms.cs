using Edge.Inference.Models;

namespace Edge.Streams.Detection;

/// <summary>What of the time a relation follows.</summary>
internal enum CalendarPart : byte
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The time of day.</summary>
    Day,

    /// <summary>The time of day and that of the week, also together: a working day is unlike a Sunday.</summary>
    Week,
}

/// <summary>Sines and cosines of the time of day and of the week, UTC: a course that repeats is a sum of them.</summary>
internal static class CalendarTerms
{
    /// <summary>Terms of the day: the first ones.</summary>
    internal const int DayCount = 2 * Harmonics;

    /// <summary>Times for which there are terms: now, an hour ago and in an hour.</summary>
    internal const int Times = 3;

    private const int Harmonics = 3;

    // Of the day's terms, those that a week changes.
    private const int ChangedCount = 4;

    private static readonly CalendarInput[] Day = [CalendarInput.Day];
    private static readonly CalendarInput[] DayAndWeek = [CalendarInput.Day, CalendarInput.Week];

    // Sine and cosine of an hour of the day, and of the week.
    private static readonly float[] Hour = HourOf();

    /// <summary>Number of terms.</summary>
    internal static int Count(CalendarPart part) => part switch
    {
        CalendarPart.None => 0,
        CalendarPart.Day => DayCount,
        _ => (2 * DayCount) + (ChangedCount * DayCount),
    };

    /// <summary>What these times are enough to learn from: five days or more, four weeks or more, several rows in each.</summary>
    /// <param name="times">Times of the rows, UTC, in order; empty if they are not known.</param>
    internal static CalendarPart Of(ReadOnlySpan<DateTime> times)
    {
        const double DaysMin = 5;
        const double WeeksMin = 4;
        const int RowsADay = 8;
        double days = times.IsEmpty || !IsKnown(times[0]) ? 0 : (times[^1] - times[0]).TotalDays;
        return days < DaysMin || times.Length / days < RowsADay ? CalendarPart.None
            : days / 7 < WeeksMin ? CalendarPart.Day
            : CalendarPart.Week;
    }

    /// <summary>Whether a time is one: rows without times begin at the Unix epoch, and so does a clock that was never set.</summary>
    internal static bool IsKnown(DateTime time) => time.Year >= 2000;

    /// <summary>Writes the terms, the same bits on every processor.</summary>
    /// <param name="part">What of the time.</param>
    /// <param name="time">The time, UTC.</param>
    /// <param name="terms">
    /// Receives <see cref="Count"/> terms, each from -1 to 1: of the day, of the week, and products of both.
    /// </param>
    internal static void Fill(CalendarPart part, DateTime time, Span<float> terms)
    {
        Span<float> circles = stackalloc float[4];
        FillCircles(part, time, circles);
        FillFrom(part, circles, terms);
    }

    /// <summary>Writes the terms of a time, of an hour before it and of an hour after it.</summary>
    /// <param name="part">What of the time.</param>
    /// <param name="time">The time, UTC.</param>
    /// <param name="terms">[<see cref="Times"/>, <see cref="Count"/>].</param>
    internal static void FillAround(CalendarPart part, DateTime time, Span<float> terms)
    {
        Span<float> now = stackalloc float[4];
        Span<float> then = stackalloc float[4];
        FillCircles(part, time, now);
        int count = Count(part);
        FillFrom(part, now, terms[..count]);
        for (int at = 1; at < Times; at++)
        {
            float direction = at == 1 ? -1 : 1;
            for (int i = 0; i < now.Length; i += 2)
            {
                (float sine, float cosine) = (direction * Hour[i], Hour[i + 1]);
                then[i] = (now[i] * cosine) + (now[i + 1] * sine);
                then[i + 1] = (now[i + 1] * cosine) - (now[i] * sine);
            }

            FillFrom(part, then, terms.Slice(at * count, count));
        }
    }

    // Sine and cosine of the day, and of the week.
    private static void FillCircles(CalendarPart part, DateTime time, Span<float> circles) =>
        CalendarInputs.Fill(part == CalendarPart.Week ? DayAndWeek : Day, time, circles);

    private static void FillFrom(CalendarPart part, ReadOnlySpan<float> circles, Span<float> terms)
    {
        FillHarmonics(circles[0], circles[1], terms);
        if (part == CalendarPart.Week)
        {
            Span<float> week = terms.Slice(DayCount, DayCount);
            FillHarmonics(circles[2], circles[3], week);
            int at = 2 * DayCount;
            for (int ofDay = 0; ofDay < ChangedCount; ofDay++)
            {
                for (int ofWeek = 0; ofWeek < week.Length; ofWeek++)
                {
                    terms[at++] = terms[ofDay] * week[ofWeek];
                }
            }
        }
    }

    // Sine and cosine of once, twice and three times an angle.
    private static void FillHarmonics(float sine, float cosine, Span<float> harmonics)
    {
        (harmonics[0], harmonics[1]) = (sine, cosine);
        for (int at = 2; at < DayCount; at += 2)
        {
            (float before, float beside) = (harmonics[at - 2], harmonics[at - 1]);
            harmonics[at] = (before * cosine) + (beside * sine);
            harmonics[at + 1] = (beside * cosine) - (before * sine);
        }
    }

    private static float[] HourOf()
    {
        var hour = new float[4];

        // From a Monday on.
        CalendarInputs.Fill(DayAndWeek, new DateTime(2024, 1, 1, 1, 0, 0, DateTimeKind.Utc), hour);
        return hour;
    }
}
