namespace Edge.Streams.Limits;

/// <summary>Which limit of a channel.</summary>
public enum LimitSide
{
    /// <summary>The upper limit.</summary>
    High,

    /// <summary>The lower limit.</summary>
    Low,
}

/// <summary>Where a channel is relative to a limit. The values are stored in snapshots: do not reorder them.</summary>
public enum LimitStage
{
    /// <summary>Readings and forecasts are inside.</summary>
    Inside,

    /// <summary>A forecast is beyond the limit, the reading is not.</summary>
    Expected,

    /// <summary>The reading is beyond the limit.</summary>
    Exceeded,
}

/// <summary>What a tick did to a limit event.</summary>
public enum LimitChange
{
    /// <summary>It opened.</summary>
    Opened,

    /// <summary>It continues: its stage changed, or its time to the limit is reported again.</summary>
    Updated,

    /// <summary>It closed: readings and forecasts are inside by the hysteresis.</summary>
    Closed,
}

/// <summary>A limit event opened, updated or closed.</summary>
/// <param name="Id">Id of the event, equal from opened to closed.</param>
/// <param name="Change">What this tick did.</param>
/// <param name="Column">Index of the model's column.</param>
/// <param name="Side">Which limit.</param>
/// <param name="Limit">The limit, in the channel's unit.</param>
/// <param name="Stage">Whether the limit is expected to be exceeded, or is.</param>
/// <param name="Value">The reading, in the channel's unit; NaN if there is none.</param>
/// <param name="SecondsToLimit">Time to the limit, from this tick; 0 while it is exceeded, NaN for a closed event.</param>
/// <param name="Probability">
/// How probable it is that the value is beyond the limit then: from the forecast and its interval, as for normal errors; 1 while it is
/// exceeded, 0 for a closed event.
/// </param>
/// <param name="Started">Time of the tick at which the event opened, UTC.</param>
/// <param name="StageSince">
/// Time of the tick at which its stage began, UTC: that of this tick if the stage is new. <see cref="Started"/> if a snapshot that an
/// earlier version wrote does not say.
/// </param>
/// <param name="Message">One sentence for the user.</param>
public sealed record LimitEvent(
    string Id,
    LimitChange Change,
    int Column,
    LimitSide Side,
    double Limit,
    LimitStage Stage,
    double Value,
    double SecondsToLimit,
    double Probability,
    DateTime Started,
    DateTime StageSince,
    string Message);

/// <summary>A limit and where its channel is.</summary>
/// <param name="Column">Name of the channel.</param>
/// <param name="Side">Which limit.</param>
/// <param name="Limit">The limit, in the channel's unit.</param>
/// <param name="Stage">Where the channel is.</param>
/// <param name="SecondsToLimit">Time to the limit; 0 while it is exceeded, NaN while the channel is inside.</param>
public readonly record struct LimitState(string Column, LimitSide Side, double Limit, LimitStage Stage, double SecondsToLimit);
