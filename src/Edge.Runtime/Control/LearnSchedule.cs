namespace Edge.Runtime.Control;

/// <summary>When a stream learns next.</summary>
/// <param name="Ended">When it last learned, UTC; null for never.</param>
/// <param name="Begun">When it last began to and did not end, UTC; null if it ended.</param>
/// <param name="Unended">How often it began since it last ended: a machine that training brings down must not go down for ever.</param>
internal readonly record struct LearnSchedule(DateTimeOffset? Ended, DateTimeOffset? Begun, int Unended)
{
    // So many beginnings without an end are followed by another at once.
    private const int UnendedFree = 3;

    /// <summary>The time from which it may learn, UTC; null for at once.</summary>
    /// <param name="options">What edge.yaml says.</param>
    /// <param name="isTrained">Whether there is a model.</param>
    /// <param name="zone">The machine's time zone.</param>
    internal DateTimeOffset? Next(LearnOptions options, bool isTrained, TimeZoneInfo zone)
    {
        DateTimeOffset? next = Ended is not { } ended ? null
            : isTrained ? AtTime(ended + options.Every, options.At, zone)
            : ended + (options.After < options.Every ? options.After : options.Every);
        if (Begun is { } begun && Unended >= UnendedFree)
        {
            TimeSpan wait = options.Budget * Math.Pow(2, Math.Min(20, Unended - UnendedFree));
            DateTimeOffset again = begun + (wait < options.After ? wait : options.After);
            return next is { } later && later > again ? later : again;
        }

        return next;
    }

    // The first moment from then on at which a clock on the wall shows the time.
    private static DateTimeOffset AtTime(DateTimeOffset from, TimeOnly? at, TimeZoneInfo zone)
    {
        if (at is not { } time)
        {
            return from;
        }

        DateTime local = TimeZoneInfo.ConvertTime(from, zone).DateTime;
        DateTime wanted = local.Date + time.ToTimeSpan();
        wanted = wanted < local ? wanted.AddDays(1) : wanted;

        // An hour that the change to summer time leaves out is taken an hour later.
        wanted = zone.IsInvalidTime(wanted) ? wanted.AddHours(1) : wanted;
        return new DateTimeOffset(wanted, zone.GetUtcOffset(wanted)).ToUniversalTime();
    }
}
