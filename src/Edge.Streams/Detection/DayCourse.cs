namespace Edge.Streams.Detection;

/// <summary>
/// How the course of the day of each channel has changed since the calibration rows: slowly with the seasons, at once with a new schedule.
/// It is what is added to the relation with the time of day.
/// </summary>
internal sealed class DayCourse
{
    // The course follows calm readings over so many days. What the last days would have it be is taken where it leaves so much less.
    private const double SeasonDays = 10;
    private const double ScheduleDays = 1.5;
    private const float ScheduleShare = 0.4f;

    // Of a stream whose rows are rarer than those of its model: least mean squares do not settle at more than a third.
    private const double RateMax = 0.1;

    // Of the last days, behind the terms: their mean, and the mean squares that the course in use and that of the last days leave of it.
    private const int MeanAt = CalendarTerms.DayCount;
    private const int InUseAt = MeanAt + 1;
    private const int LatestAt = MeanAt + 2;
    private const int LatestCount = MeanAt + 3;

    // The change in use: [channels, terms of the day]. And how the last days would have it: [channels, LatestCount].
    private readonly bool[] _followsTime;
    private readonly float[] _inUse;
    private readonly float[] _latest;
    private readonly float _seasonRate;
    private readonly float _scheduleRate;

    /// <param name="relation">How the channels go with the time, or null.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="period">Time from row to row.</param>
    internal DayCourse(RelationModel? relation, int channels, TimeSpan period)
    {
        _followsTime = [.. Enumerable.Range(0, channels).Select(channel => relation?.FollowsTime(channel) == true)];
        int timed = (relation?.Calendar ?? CalendarPart.None) == CalendarPart.None ? 0 : channels;
        _inUse = new float[timed * CalendarTerms.DayCount];
        _latest = new float[timed * LatestCount];
        _seasonRate = (float)Math.Min(RateMax, period.TotalDays / SeasonDays);
        _scheduleRate = (float)Math.Min(RateMax, period.TotalDays / ScheduleDays);
    }

    /// <summary>Whether a channel follows the time of day.</summary>
    internal bool Follows(int channel) => _followsTime[channel];

    /// <summary>Weights of the terms of the day for a channel; empty if it does not follow the time.</summary>
    internal ReadOnlySpan<float> Of(int channel) => InUse(channel);

    /// <summary>The change at a time, in the units of the rows.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="terms">Of the calendar, those of the day first.</param>
    internal float At(int channel, ReadOnlySpan<float> terms) => Dot(Of(channel), terms);

    /// <summary>Reads or writes it.</summary>
    internal void Archive(StreamSnapshot snapshot)
    {
        snapshot.Fields<float>(_inUse);
        snapshot.Fields<float>(_latest);
    }

    /// <summary>
    /// Takes what relation and course together leave of a channel that follows the time. A drift is no part of the course: it does not
    /// repeat.
    /// </summary>
    /// <param name="channel">The channel.</param>
    /// <param name="residual">What is left.</param>
    /// <param name="terms">Of the calendar, those of the day first.</param>
    /// <param name="isCalm">Whether the seasons may be followed.</param>
    /// <param name="isOpen">Whether an anomaly is open, whose schedule is not taken.</param>
    /// <returns>Whether a new schedule was taken: what was left before says nothing any more.</returns>
    internal bool Follow(int channel, float residual, ReadOnlySpan<float> terms, bool isCalm, bool isOpen)
    {
        Span<float> course = InUse(channel);
        Span<float> latest = _latest.AsSpan(channel * LatestCount, LatestCount);

        // Least mean squares; a term of the day has a mean square of a half.
        float inUse = residual - latest[MeanAt];
        float left = inUse + Dot(course, terms) - Dot(latest[..CalendarTerms.DayCount], terms);
        latest[InUseAt] += ((inUse * inUse) - latest[InUseAt]) * _scheduleRate;
        latest[LatestAt] += ((left * left) - latest[LatestAt]) * _scheduleRate;
        latest[MeanAt] += left * _scheduleRate;
        Correct(latest[..CalendarTerms.DayCount], left * 2 * _scheduleRate, terms);
        if (isCalm)
        {
            Correct(course, residual * 2 * _seasonRate, terms);
        }

        bool isNew = !isOpen && latest[LatestAt] < ScheduleShare * latest[InUseAt];
        if (isNew)
        {
            latest[..CalendarTerms.DayCount].CopyTo(course);
            latest[InUseAt] = latest[LatestAt];
        }

        return isNew;
    }

    private Span<float> InUse(int channel) =>
        _followsTime[channel] ? _inUse.AsSpan(channel * CalendarTerms.DayCount, CalendarTerms.DayCount) : [];

    private static void Correct(Span<float> course, float by, ReadOnlySpan<float> terms)
    {
        for (int at = 0; at < course.Length; at++)
        {
            course[at] += by * terms[at];
        }
    }

    private static float Dot(ReadOnlySpan<float> weights, ReadOnlySpan<float> terms)
    {
        float sum = 0;
        for (int at = 0; at < weights.Length; at++)
        {
            sum += weights[at] * terms[at];
        }

        return sum;
    }
}
