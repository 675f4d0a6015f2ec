namespace Edge.Sensors.Replay;

/// <summary>
/// Tells a wrong time of a recording from a gap by the rows after it. At most two rows in a row are taken for wrong: of more, no one can
/// say which ones are right.
/// </summary>
internal static class WrongTimes
{
    /// <summary>Rows to look at behind one that seems to follow a gap.</summary>
    internal const int LookAhead = 2;

    /// <summary>Rows to look at behind the first one: of five rows with two wrong times, three agree.</summary>
    internal const int LookAheadOfFirst = 4;

    private const int Agreeing = 3;

    // A clock that was not set yet shows 1970, 2000, or the year its device was built.
    private static readonly TimeSpan NotSet = TimeSpan.FromDays(365);
    private const int NotSetRows = 100;

    /// <summary>Whether a time lies ahead of the right ones: the next row, or the one after that, continues the row before.</summary>
    /// <param name="before">Time of the row before.</param>
    /// <param name="time">The time, later than a row should be.</param>
    /// <param name="after">Times of the next rows, at most <see cref="LookAhead"/>; the default where one cannot be read.</param>
    internal static bool LiesAhead(DateTime before, DateTime time, ReadOnlySpan<DateTime> after) =>
        (after.Length > 0 && after[0] > before && after[0] < time)
        || (after.Length > 1 && after[1] > before && after[1] - before < time - after[1]);

    /// <summary>Whether the first time of a recording is wrong: the rows behind it are older, or a year or more newer.</summary>
    /// <param name="time">The time.</param>
    /// <param name="after">Times of the next rows, at most <see cref="LookAheadOfFirst"/>; the default where one cannot be read.</param>
    /// <param name="spacing">Usual time from row to row.</param>
    internal static bool IsFirstWrong(DateTime time, ReadOnlySpan<DateTime> after, TimeSpan spacing)
    {
        TimeSpan notSet = NotSetRows * spacing > NotSet ? NotSetRows * spacing : NotSet;
        (int older, int farNewer) = (0, 0);
        foreach (DateTime next in after)
        {
            older += next != default && next < time ? 1 : 0;
            farNewer += next - time > notSet ? 1 : 0;
        }

        return older >= Agreeing || farNewer >= Agreeing;
    }
}
