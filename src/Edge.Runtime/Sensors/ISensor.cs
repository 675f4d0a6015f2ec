namespace Edge.Runtime.Sensors;

/// <summary>What a channel's value is worth.</summary>
internal enum Quality : byte
{
    /// <summary>A finite value.</summary>
    Good,

    /// <summary>Nothing came.</summary>
    Missing,

    /// <summary>Something came that is no finite number.</summary>
    Invalid,

    /// <summary>Nothing usable came; the channel's last good value stands in.</summary>
    Held,
}

/// <summary>One row of channel values at one time. Reused from tick to tick.</summary>
internal sealed class Reading(int channels)
{
    /// <summary>When the values were true, UTC.</summary>
    public DateTime Time { get; set; }

    /// <summary>In the unit of each channel; 0 where the quality is not good.</summary>
    public double[] Values { get; } = new double[channels];

    public Quality[] Quality { get; } = new Quality[channels];
}

/// <summary>A source of readings: one row a call, at the source's own pace.</summary>
internal interface ISensor : IDisposable
{
    /// <summary>Whether the source can wait: recorded rows can, the world cannot.</summary>
    bool CanWait { get; }

    /// <summary>Skips rows that were taken in before, if the source is one that would give them again.</summary>
    void Resume(long rows);

    /// <summary>Waits for the next row and fills it in, channels in the model's order.</summary>
    /// <returns>False when there will be no more.</returns>
    ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel);
}
