namespace Edge.Runtime.Sensors;

/// <summary>What a channel's value is worth.</summary>
internal enum Quality : byte
{
    /// <summary>A finite value that can be true.</summary>
    Good,

    /// <summary>Nothing came.</summary>
    Missing,

    /// <summary>Something came that is no finite number.</summary>
    Invalid,

    /// <summary>A number came that the sensor cannot have measured.</summary>
    OutOfRange,

    /// <summary>Nothing usable came; the channel's last good value stands in.</summary>
    Held,

    /// <summary>A value came, the very same as many times before. It is used.</summary>
    Stuck,
}

internal static class QualityExtensions
{
    /// <summary>Whether there is a value that was measured.</summary>
    internal static bool IsMeasured(this Quality quality) => quality is Quality.Good or Quality.Stuck;
}

/// <summary>One row of channel values at one time. Reused from tick to tick.</summary>
internal sealed class Reading(int channels)
{
    /// <summary>When the values were true, UTC.</summary>
    public DateTime Time { get; set; }

    /// <summary>In the unit of each channel; 0 where there is no usable value.</summary>
    public double[] Values { get; } = new double[channels];

    public Quality[] Quality { get; } = new Quality[channels];

    /// <summary>Why a channel is not good, as the clause of a sentence, or null.</summary>
    public string?[] Faults { get; } = new string?[channels];

    /// <summary>Ticks that passed since the last row without one: the machine slept, or was too busy.</summary>
    public long SkippedTicks { get; set; }

    /// <summary>How far the wall clock was set since the last row; zero if it went as time did.</summary>
    public TimeSpan ClockJump { get; set; }

    /// <summary>Whether <see cref="Time"/> comes from a clock that was never set.</summary>
    public bool ClockIsUnset { get; set; }
}

/// <summary>A source of readings: one row a call, at the source's own pace.</summary>
internal interface ISensor : IDisposable
{
    /// <summary>Whether the source can wait: recorded rows can, the world cannot.</summary>
    bool CanWait { get; }

    /// <summary>Whether its rows are a recording, which gives the same again whatever comes of them.</summary>
    bool IsRecorded => CanWait;

    /// <summary>Whether the next row is there at once, and can be had again: then several rows may be committed together.</summary>
    bool IsUnpaced => false;

    /// <summary>Skips rows that were taken in before, if the source is one that would give them again.</summary>
    /// <param name="rows">How many were.</param>
    /// <param name="lastTime">Time of the last of them.</param>
    void Resume(long rows, DateTime lastTime);

    /// <summary>Waits for the next row and fills it in, channels in the model's order.</summary>
    /// <returns>False when there will be no more.</returns>
    ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel);

    /// <summary>Says to a source that can wait that every row so far has been taken over: it need not be given again.</summary>
    void Committed()
    {
    }
}
