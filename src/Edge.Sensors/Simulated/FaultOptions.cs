namespace Edge.Sensors.Simulated;

/// <summary>Faults of a simulated sensor.</summary>
internal enum FaultKind
{
    /// <summary>One tick far off.</summary>
    Spike,

    /// <summary>A constant offset.</summary>
    Bias,

    /// <summary>An offset that grows by <see cref="FaultOptions.Magnitude"/> a tick.</summary>
    Drift,

    /// <summary>The last value, again and again.</summary>
    Stuck,

    /// <summary>No value at all.</summary>
    Dropout,

    /// <summary>Noise of standard deviation <see cref="FaultOptions.Magnitude"/> on top.</summary>
    Noise,

    /// <summary>The next channel's value, as if two plugs were exchanged; the next channel has this one's.</summary>
    Swap,
}

/// <summary>One injected fault.</summary>
/// <param name="At">Start, from the stream's first tick.</param>
/// <param name="Duration">How long; ignored by a spike.</param>
/// <param name="Kind">What happens.</param>
/// <param name="Channel">To which channel.</param>
/// <param name="Magnitude">In standard deviations of the channel, -1e6..1e6; null for the kind's default.</param>
internal sealed record FaultOptions(TimeSpan At, TimeSpan Duration, FaultKind Kind, string Channel, double? Magnitude)
{
    /// <summary>Largest magnitude, either way.</summary>
    internal const double MagnitudeMax = 1e6;

    /// <summary>Default duration of a fault.</summary>
    internal static TimeSpan DefaultDuration { get; } = TimeSpan.FromSeconds(10);
}
