namespace Edge.Runtime.Configuration;

/// <summary>Where a stream's rows come from.</summary>
internal abstract record SourceConfig;

/// <summary>Recorded rows from a CSV file.</summary>
internal sealed record ReplayConfig : SourceConfig
{
    public required string File { get; init; }

    /// <summary>Header of the time column; null to find it, or to do without.</summary>
    public string? TimeColumn { get; init; }

    public PlaybackSpeed Speed { get; init; } = new(1);

    public bool Loop { get; init; }
}

/// <summary>Rows that arrive as messages of one topic.</summary>
internal sealed record MqttSourceConfig : SourceConfig
{
    public required string Topic { get; init; }

    /// <summary>The stream's name: the broker keeps what it has missed under it.</summary>
    public required string Stream { get; init; }

    /// <summary>JSON path of a message's time; null if it carries none.</summary>
    public string? TimePath { get; init; }

    /// <summary>JSON paths of columns; one that is not here is a member of its own name.</summary>
    public IReadOnlyDictionary<string, string> Values { get; init; } = new Dictionary<string, string>();

    /// <summary>How long the broker keeps messages while nobody takes them.</summary>
    public TimeSpan Session { get; init; } = TimeSpan.FromDays(7);
}

/// <summary>What a simulated source looks like.</summary>
internal enum SimulatedShape
{
    /// <summary>The greenhouse of docs/demo.md, with its own channels.</summary>
    Greenhouse,

    /// <summary>The model's columns over a day.</summary>
    Daily,

    /// <summary>The model's columns over a machine's cycle.</summary>
    Cycle,
}

/// <summary>Readings from a seed.</summary>
internal sealed record SimulatedConfig : SourceConfig
{
    public SimulatedShape Shape { get; init; }

    /// <summary>How long a day or a cycle takes; null for 24 hours or 60 ticks.</summary>
    public TimeSpan? Turn { get; init; }

    /// <summary>A CSV file that says of each tick whether a fault was injected, or null.</summary>
    public string? TruthFile { get; init; }

    public int Seed { get; init; } = 1;

    public PlaybackSpeed Speed { get; init; } = new(1);

    public IReadOnlyList<FaultConfig> Faults { get; init; } = [];
}

/// <summary>What goes wrong with a simulated sensor.</summary>
internal enum FaultKind
{
    /// <summary>One tick far off.</summary>
    Spike,

    /// <summary>A constant offset.</summary>
    Bias,

    /// <summary>An offset that grows by <see cref="FaultConfig.Magnitude"/> a tick.</summary>
    Drift,

    /// <summary>The last value, again and again.</summary>
    Stuck,

    /// <summary>No value at all.</summary>
    Dropout,

    /// <summary>Noise of standard deviation <see cref="FaultConfig.Magnitude"/> on top.</summary>
    Noise,

    /// <summary>The next channel's value, as if two plugs were exchanged; the next channel has this one's.</summary>
    Swap,
}

/// <summary>One injected fault.</summary>
/// <param name="At">Start, from the stream's first tick.</param>
/// <param name="Duration">How long; ignored by a spike.</param>
/// <param name="Kind">What happens.</param>
/// <param name="Channel">To which channel.</param>
/// <param name="Magnitude">In standard deviations of the channel; null for the kind's default.</param>
internal sealed record FaultConfig(TimeSpan At, TimeSpan Duration, FaultKind Kind, string Channel, double? Magnitude);

/// <summary>Recorded time over real time: 1, 60, or infinite for as fast as it goes.</summary>
internal readonly record struct PlaybackSpeed(double Factor)
{
    public static PlaybackSpeed Max { get; } = new(double.PositiveInfinity);

    public bool IsMax => double.IsPositiveInfinity(Factor);
}
