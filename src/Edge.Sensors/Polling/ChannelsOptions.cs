namespace Edge.Sensors.Polling;

/// <summary>Live channels, each from a source of its own, brought together at every tick.</summary>
internal sealed record ChannelsOptions : SourceOptions
{
    public required IReadOnlyList<ChannelOptions> Channels { get; init; }

    /// <summary>A data-ready line whose edges are the ticks; null for a tick every period.</summary>
    public DataReadyOptions? Tick { get; init; }

    internal override string Identity => "channels";

    internal override IReadOnlyDictionary<string, ValueRange> Ranges =>
        Channels.Where(channel => channel.Range.IsLimited).ToDictionary(channel => channel.Column, channel => channel.Range);
}
