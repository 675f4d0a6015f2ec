namespace Edge.Streams.Detection;

/// <summary>What a tick did to the anomaly.</summary>
public enum AnomalyChange
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>One opened.</summary>
    Opened,

    /// <summary>One that is open lasts.</summary>
    Updated,

    /// <summary>One closed: readings are normal again.</summary>
    Closed,

    /// <summary>Closed because it lasted so long that it is the usual now.</summary>
    Accepted,

    /// <summary>Closed because somebody said so.</summary>
    Silenced,
}

/// <summary>What gives an anomaly away.</summary>
public enum AnomalyCause
{
    /// <summary>The model is surprised.</summary>
    Surprise,

    /// <summary>The readings pull away from the forecasts, a little but for long.</summary>
    Pull,

    /// <summary>The channels no longer go together.</summary>
    Relation,

    /// <summary>The readings have left their usual level.</summary>
    Level,

    /// <summary>A sensor says nothing, or always the same.</summary>
    Sensor,
}

/// <summary>One channel's part in an anomaly.</summary>
/// <param name="Column">Index of the model's column.</param>
/// <param name="Actual">What came, in its unit; NaN where nothing did.</param>
/// <param name="Expected">What was forecast for this tick, or where the level of the channel usually is, in its unit.</param>
/// <param name="Share">Its part of the score, 0..1.</param>
public readonly record struct AnomalyChannel(int Column, double Actual, double Expected, double Share);

/// <summary>An anomaly opened, updated or closed.</summary>
/// <param name="Id">The same from opened to closed.</param>
/// <param name="Change">Which of the three.</param>
/// <param name="Cause">What gave it away.</param>
/// <param name="Started">Time of the tick from which on the score was at least half of what makes an anomaly.</param>
/// <param name="Score">Score of this tick, 1 and more being abnormal; of a closed anomaly, the peak.</param>
/// <param name="Severity"><c>warning</c>, or <c>critical</c> from three on.</param>
/// <param name="Message">One sentence for people.</param>
/// <param name="Channels">The channels that contribute, the largest share first.</param>
public sealed record AnomalyEvent(
    string Id, AnomalyChange Change, AnomalyCause Cause, DateTime Started, double Score, string Severity, string Message, IReadOnlyList<AnomalyChannel> Channels);
