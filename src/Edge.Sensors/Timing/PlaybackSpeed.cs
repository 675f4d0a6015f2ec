namespace Edge.Sensors.Timing;

/// <summary>Recorded time over real time: 1, 60, or infinite for as fast as possible.</summary>
internal readonly record struct PlaybackSpeed(double Factor)
{
    /// <summary>Largest finite factor.</summary>
    internal const double FactorMax = 1e6;

    internal static PlaybackSpeed Max { get; } = new(double.PositiveInfinity);

    internal bool IsMax => double.IsPositiveInfinity(Factor);
}
