namespace Edge.Streams;

/// <summary>One row of channel values at one time. One object is filled again for each row.</summary>
/// <param name="channels">Channels of a row: the model's columns.</param>
public sealed class Reading(int channels)
{
    /// <summary>Time of the values, UTC.</summary>
    public DateTime Time { get; set; }

    /// <summary>One value per channel, in the channel's unit; 0 if there is no usable value.</summary>
    public double[] Values { get; } = new double[channels];

    /// <summary>Quality of each value.</summary>
    public Quality[] Quality { get; } = new Quality[channels];

    /// <summary>Why a channel is not good, as a clause for a sentence, or null.</summary>
    public string?[] Faults { get; } = new string?[channels];

    /// <summary>Ticks without a row since the last row: the machine slept or was too busy, or the process did not run.</summary>
    public long SkippedTicks { get; set; }

    /// <summary>Step of the wall clock since the last row; zero if it was not set.</summary>
    public TimeSpan ClockJump { get; set; }

    /// <summary>Whether <see cref="Time"/> comes from a clock that was never synchronized.</summary>
    public bool ClockIsUnset { get; set; }
}
