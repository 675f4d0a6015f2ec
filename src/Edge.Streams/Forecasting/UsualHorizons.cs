namespace Edge.Streams.Forecasting;

/// <summary>How far ahead a model forecasts if no one says.</summary>
public static class UsualHorizons
{
    private static readonly TimeSpan[] Spans =
    [
        TimeSpan.FromSeconds(0.1), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(10),
        TimeSpan.FromHours(1), TimeSpan.FromHours(6), TimeSpan.FromDays(1), TimeSpan.FromDays(7),
    ];

    /// <summary>1 tick, and up to two usual spans of 5 to 100 ticks.</summary>
    /// <param name="period">From tick to tick, more than zero.</param>
    public static int[] Of(TimeSpan period)
    {
        IEnumerable<int> usual = Spans.Select(span => span / period)
            .Where(ticks => ticks is >= 5 and <= 100 && Math.Abs(ticks - Math.Round(ticks)) < 1e-6)
            .Select(ticks => (int)Math.Round(ticks));
        return [1, .. usual.TakeLast(2)];
    }
}
