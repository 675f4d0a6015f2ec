namespace Edge.Sensors.Polling;

/// <summary>What becomes of the values that came between two ticks.</summary>
internal enum Aggregate
{
    Last,
    Mean,
    Min,
    Max,
}

/// <summary>One of the model's columns and where it comes from.</summary>
internal sealed record ChannelOptions
{
    /// <summary>Largest scale, offset or limit, either way.</summary>
    internal const double NumberMax = 1e12;

    /// <summary>Most ticks after which a channel can be called stuck.</summary>
    internal const int StuckTicksMax = 1_000_000;

    public required string Column { get; init; }

    /// <summary>Channels with equal devices share one reading of it.</summary>
    public required DeviceOptions Device { get; init; }

    /// <summary>What of the device: a driver's channel, a file, a JSON path.</summary>
    public required string Read { get; init; }

    /// <summary>The channel is <c>Scale · value + Offset</c>.</summary>
    public double Scale { get; init; } = 1;

    public double Offset { get; init; }

    /// <summary>Least value the channel can have, in its unit; NaN for what the driver knows.</summary>
    public double Min { get; init; } = double.NaN;

    /// <summary>Largest value the channel can have, in its unit; NaN for what the driver knows.</summary>
    public double Max { get; init; } = double.NaN;

    public Aggregate Aggregate { get; init; } = Aggregate.Last;

    /// <summary>Time from sample to sample; null for one a tick.</summary>
    public TimeSpan? Every { get; init; }

    /// <summary>For values that arrive by themselves: how long one counts as current; null for a period.</summary>
    public TimeSpan? AgeMax { get; init; }

    /// <summary>Ticks with the very same value after which the channel is called stuck; 0 for never.</summary>
    public int StuckTicks { get; init; }
}
