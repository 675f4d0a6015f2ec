namespace Edge.Streams;

/// <summary>Quality of a channel's value.</summary>
public enum Quality : byte
{
    /// <summary>A finite value in the possible range.</summary>
    Good,

    /// <summary>No value arrived.</summary>
    Missing,

    /// <summary>The value is not a finite number.</summary>
    Invalid,

    /// <summary>The number is outside the range that the sensor can measure.</summary>
    OutOfRange,

    /// <summary>No usable value came; the channel's last good value stands in (last observation carried forward).</summary>
    Held,

    /// <summary>The same value arrived many times in a row. It is used.</summary>
    Stuck,
}

/// <summary>What a <see cref="Quality"/> means.</summary>
public static class QualityExtensions
{
    /// <summary>Whether the value was measured.</summary>
    public static bool IsMeasured(this Quality quality) => quality is Quality.Good or Quality.Stuck;
}
