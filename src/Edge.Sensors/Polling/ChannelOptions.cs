namespace Edge.Sensors.Polling;

/// <summary>How the values between two ticks are combined.</summary>
internal enum Aggregate
{
    Last,
    Mean,
    Min,
    Max,
}

/// <summary>A column of the model and its source.</summary>
internal sealed record ChannelOptions
{
    /// <summary>Largest scale, offset or limit, either way.</summary>
    internal const double NumberMax = 1e12;

    /// <summary>Upper limit of the ticks after which a channel counts as stuck.</summary>
    internal const int StuckTicksMax = 1_000_000;

    public required string Column { get; init; }

    /// <summary>Channels with equal devices share one reading of it.</summary>
    public required DeviceOptions Device { get; init; }

    /// <summary>Its part of the device: a driver's channel, a file, a JSON path.</summary>
    public required string Read { get; init; }

    /// <summary>Its unit, for a model that is learned from it; "" for what the driver says.</summary>
    public string Unit { get; init; } = "";

    /// <summary>The channel is <c>Scale · value + Offset</c>.</summary>
    public double Scale { get; init; } = 1;

    public double Offset { get; init; }

    /// <summary>Possible values of the channel, in its unit; beside them the driver's limits hold.</summary>
    public ValueRange Range { get; init; } = ValueRange.All;

    public Aggregate Aggregate { get; init; } = Aggregate.Last;

    /// <summary>Time between two samples; null for one per tick.</summary>
    public TimeSpan? Every { get; init; }

    /// <summary>For values that arrive by themselves: how long one counts as current; null for a period.</summary>
    public TimeSpan? AgeMax { get; init; }

    /// <summary>Ticks with the same value after which the channel counts as stuck; 0 for never.</summary>
    public int StuckTicks { get; init; }
}
