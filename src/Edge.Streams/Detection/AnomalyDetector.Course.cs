namespace Edge.Streams.Detection;

/// <summary>The course of the day changes: slowly with the seasons, at once with a new schedule.</summary>
internal sealed partial class AnomalyDetector
{
    // The course follows calm readings over so many days. What the last days would have it be is taken where it leaves so much less.
    private const double SeasonDays = 10;
    private const double ScheduleDays = 1.5;
    private const float ScheduleShare = 0.4f;

    // Of a stream whose rows are rarer than those of its model: least mean squares do not settle at more than a third.
    private const double CourseRateMax = 0.1;

    // Of the last days, behind the terms: their mean, and the mean squares that the course in use and that of the last days leave of it.
    private const int MeanAt = CalendarTerms.DayCount;
    private const int InUseAt = MeanAt + 1;
    private const int LatestAt = MeanAt + 2;
    private const int LatestCount = MeanAt + 3;

    // Whether each channel follows the time of day. How its course has changed since the calibration rows: [channels, terms of the day].
    // And how the last days would have it: [channels, LatestCount].
    private readonly bool[] _followsTime;
    private readonly float[] _course;
    private readonly float[] _latest;
    private readonly float _seasonRate;
    private readonly float _scheduleRate;

    private Span<float> Course(int channel) =>
        _followsTime[channel] ? _course.AsSpan(channel * CalendarTerms.DayCount, CalendarTerms.DayCount) : [];

    // Least mean squares; a term of the day has a mean square of a half. A drift is no part of the course: it does not repeat.
    private void FollowCourse(int channel)
    {
        Span<float> course = Course(channel);
        Span<float> latest = _latest.AsSpan(channel * LatestCount, LatestCount);
        float residual = _known[channel] - _predicted[channel];
        float inUse = residual - latest[MeanAt];
        float left = inUse + Dot(course, _terms) - Dot(latest[..CalendarTerms.DayCount], _terms);
        latest[InUseAt] += ((inUse * inUse) - latest[InUseAt]) * _scheduleRate;
        latest[LatestAt] += ((left * left) - latest[LatestAt]) * _scheduleRate;
        latest[MeanAt] += left * _scheduleRate;
        Correct(latest[..CalendarTerms.DayCount], left * 2 * _scheduleRate);
        if (!IsOpen && _above == 0 && _relation!.Ratios[channel] < CloseScore)
        {
            Correct(course, residual * 2 * _seasonRate);
        }

        if (!IsOpen && latest[LatestAt] < ScheduleShare * latest[InUseAt])
        {
            latest[..CalendarTerms.DayCount].CopyTo(course);
            latest[InUseAt] = latest[LatestAt];
            _relation!.Restart(channel);
        }
    }

    private void Correct(Span<float> course, float by)
    {
        for (int at = 0; at < course.Length; at++)
        {
            course[at] += by * _terms[at];
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
