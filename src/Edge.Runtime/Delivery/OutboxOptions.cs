namespace Edge.Runtime.Delivery;

/// <summary>What is kept while the broker is away.</summary>
internal sealed record OutboxOptions
{
    /// <summary>Most bytes of payload.</summary>
    public long SizeMaxBytes { get; init; } = 256L << 20;

    /// <summary>Age at which a reading or a forecast is of no use to anyone: the message expiry of MQTT 5.</summary>
    public TimeSpan AgeMax { get; init; } = TimeSpan.FromDays(7);
}
