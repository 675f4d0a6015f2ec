namespace Edge.Streams.Detection;

/// <summary>What a tick did to the anomaly.</summary>
public enum AnomalyChange
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>An anomaly opened.</summary>
    Opened,

    /// <summary>The open anomaly continues.</summary>
    Updated,

    /// <summary>The anomaly closed: readings are normal again.</summary>
    Closed,

    /// <summary>Closed because it lasted so long that it counts as normal.</summary>
    Accepted,

    /// <summary>Closed by the command <c>silence</c>.</summary>
    Silenced,

    /// <summary>Closed because another channel has failed: its own anomaly follows.</summary>
    Replaced,
}

/// <summary>The statistic that found an anomaly. The values are stored in snapshots: do not reorder them.</summary>
public enum AnomalyCause
{
    /// <summary>The residuals of the model are large.</summary>
    Residual,

    /// <summary>A channel looks as it never did before.</summary>
    Pattern,

    /// <summary>The channels no longer go together as they did.</summary>
    Correlation,

    /// <summary>The readings left their usual level.</summary>
    Level,

    /// <summary>A sensor returns no value, or the same value at every tick.</summary>
    Sensor,

    /// <summary>A channel is noisier than usual.</summary>
    Noise,
}

/// <summary>One channel's part in an anomaly.</summary>
/// <param name="Column">Index of the model's column.</param>
/// <param name="Actual">Measured value, in its unit; NaN if there is none.</param>
/// <param name="Expected">What was expected of it: by the other channels, its usual level, or the forecast, in its unit.</param>
/// <param name="Share">Its part of the score, 0..1.</param>
public readonly record struct AnomalyChannel(int Column, double Actual, double Expected, double Share);

/// <summary>An anomaly opened, updated or closed.</summary>
/// <param name="Id">Id of the anomaly, equal in all of its events.</param>
/// <param name="Change">What this tick did to the anomaly.</param>
/// <param name="Cause">The statistic with the largest score.</param>
/// <param name="Started">
/// Time of the tick at which the score last rose past 0.7, UTC, but not before what its largest part looks back to; of a sensor, that of
/// its first row without a value or with a repeated one.
/// </param>
/// <param name="Score">Score of this tick, abnormal from 1 on; for a closed anomaly, the largest score.</param>
/// <param name="Severity"><c>warning</c>, or <c>critical</c> from a score of 3 on.</param>
/// <param name="Message">One sentence for the user.</param>
/// <param name="Channels">The channels that contribute, the largest share first.</param>
public sealed record AnomalyEvent(
    string Id,
    AnomalyChange Change,
    AnomalyCause Cause,
    DateTime Started,
    double Score,
    string Severity,
    string Message,
    IReadOnlyList<AnomalyChannel> Channels);
