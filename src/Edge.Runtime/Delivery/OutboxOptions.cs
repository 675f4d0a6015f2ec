namespace Edge.Runtime.Delivery;

/// <summary>Limits of the messages that wait for the broker.</summary>
internal sealed record OutboxOptions
{
    /// <summary>Most bytes of payload.</summary>
    public long SizeMaxBytes { get; init; } = 256L << 20;

    /// <summary>Age at which a reading or a forecast expires: the message expiry of MQTT 5.</summary>
    public TimeSpan AgeMax { get; init; } = TimeSpan.FromDays(7);
}
