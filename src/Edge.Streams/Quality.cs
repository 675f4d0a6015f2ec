namespace Edge.Streams;

/// <summary>What a channel's value is worth.</summary>
public enum Quality : byte
{
    /// <summary>A finite value that can be true.</summary>
    Good,

    /// <summary>No value came.</summary>
    Missing,

    /// <summary>A value came that is not a finite number.</summary>
    Invalid,

    /// <summary>A number came that the sensor cannot have measured.</summary>
    OutOfRange,

    /// <summary>No usable value came; the channel's last good value stands in (last observation carried forward).</summary>
    Held,

    /// <summary>The very same value came many times in a row. It is used.</summary>
    Stuck,
}

/// <summary>What a <see cref="Quality"/> means.</summary>
public static class QualityExtensions
{
    /// <summary>Whether there is a value that was measured.</summary>
    public static bool IsMeasured(this Quality quality) => quality is Quality.Good or Quality.Stuck;
}
