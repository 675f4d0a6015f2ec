namespace Edge.Runtime.Payloads;

/// <summary>Which messages of a stream are published; anomalies and health always are.</summary>
internal sealed record PublishOptions
{
    /// <summary>Whether each tick's reading is.</summary>
    public bool Readings { get; init; } = true;

    /// <summary>Whether each tick's forecast is.</summary>
    public bool Forecasts { get; init; } = true;
}
