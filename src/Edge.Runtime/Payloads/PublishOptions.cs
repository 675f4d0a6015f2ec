namespace Edge.Runtime.Payloads;

/// <summary>Which messages of a stream are published. Anomalies and health are always published.</summary>
internal sealed record PublishOptions
{
    /// <summary>Whether readings are published.</summary>
    public bool Readings { get; init; } = true;

    /// <summary>Whether forecasts are published.</summary>
    public bool Forecasts { get; init; } = true;

    /// <summary>Whether the score of each tick is published.</summary>
    public bool Scores { get; init; }
}
