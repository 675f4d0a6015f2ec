namespace Edge.Streams;

/// <summary>One row of channel values at one time. One object is filled again for each row.</summary>
/// <param name="channels">Channels of a row: the model's columns.</param>
public sealed class Reading(int channels)
{
    /// <summary>When the values were true, UTC.</summary>
    public DateTime Time { get; set; }

    /// <summary>One value a channel, in the channel's unit; 0 where there is no usable value.</summary>
    public double[] Values { get; } = new double[channels];

    /// <summary>What each value is worth.</summary>
    public Quality[] Quality { get; } = new Quality[channels];

    /// <summary>Why a channel is not good, as the clause of a sentence, or null.</summary>
    public string?[] Faults { get; } = new string?[channels];

    /// <summary>Ticks without a row since the last row: the machine slept, was too busy, or the process was not there.</summary>
    public long SkippedTicks { get; set; }

    /// <summary>How far the wall clock was set since the last row; zero if it ran as time did.</summary>
    public TimeSpan ClockJump { get; set; }

    /// <summary>Whether <see cref="Time"/> comes from a clock that was never synchronized.</summary>
    public bool ClockIsUnset { get; set; }
}
