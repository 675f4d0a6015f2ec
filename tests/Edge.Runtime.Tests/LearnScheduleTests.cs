using Edge.Runtime.Control;

namespace Edge.Runtime.Tests;

/// <summary>When a stream learns.</summary>
public sealed class LearnScheduleTests
{
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
    private static readonly DateTimeOffset Noon = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly LearnOptions Daily = new() { Horizons = [1], After = TimeSpan.FromDays(1), Every = TimeSpan.FromDays(7) };

    [Fact]
    public void The_first_time_is_at_once_and_a_failure_is_tried_again_when_there_are_as_many_new_readings()
    {
        Assert.Null(default(LearnSchedule).Next(Daily, isTrained: false, Berlin));
        Assert.Equal(Noon.AddDays(1), new LearnSchedule(Noon, null, 0).Next(Daily, isTrained: false, Berlin));
        LearnOptions often = Daily with { Every = TimeSpan.FromHours(6) };
        Assert.Equal(Noon.AddHours(6), new LearnSchedule(Noon, null, 0).Next(often, isTrained: false, Berlin));
    }

    [Theory]
    [InlineData("2026-06-01T12:00:00Z", null, "2026-06-08T12:00:00Z")]
    [InlineData("2026-06-01T12:00:00Z", "03:00", "2026-06-09T01:00:00Z")]
    [InlineData("2026-06-01T00:30:00Z", "03:00", "2026-06-08T01:00:00Z")]
    [InlineData("2026-06-01T01:00:00Z", "03:00", "2026-06-08T01:00:00Z")]
    // The night in which 02:30 is left out, and the one in which it comes twice.
    [InlineData("2026-03-21T12:00:00Z", "02:30", "2026-03-29T01:30:00Z")]
    [InlineData("2026-10-17T12:00:00Z", "02:30", "2026-10-25T01:30:00Z")]
    public void Later_times_follow_the_clock_on_the_wall(string ended, string? at, string next)
    {
        LearnOptions options = Daily with { At = at is null ? null : TimeOnly.Parse(at) };
        Assert.Equal(
            DateTimeOffset.Parse(next), new LearnSchedule(DateTimeOffset.Parse(ended), null, 0).Next(options, isTrained: true, Berlin));
    }

    [Fact]
    public void What_ends_without_an_end_again_and_again_waits_longer_each_time_but_no_longer_than_a_first_model_takes()
    {
        TimeSpan?[] waits =
        [
            .. Enumerable.Range(0, 14).Select(
                unended => new LearnSchedule(null, Noon, unended).Next(Daily, isTrained: false, Berlin) - Noon),
        ];
        Assert.Equal([null, null, null], waits[..3]);
        Assert.Equal([5, 10, 20, 40], waits[3..7].Select(wait => (int)wait!.Value.TotalMinutes));
        Assert.Equal(TimeSpan.FromDays(1), waits[13]);
    }
}
