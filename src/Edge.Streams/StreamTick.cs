using Edge.Streams.Detection;
using Edge.Streams.Forecasting;
using Edge.Streams.Limits;

namespace Edge.Streams;

/// <summary>What one tick produced. A stream fills the same object at each tick: read it before the next tick, or copy it.</summary>
public sealed class StreamTick
{
    internal StreamTick(Reading reading) => Reading = reading;

    /// <summary>Number of the tick, from 1 on; no number is used twice, also after restarts.</summary>
    public long Seq { get; internal set; }

    /// <summary>Whether this is the first tick since the stream was made or resumed.</summary>
    public bool IsFirst { get; internal set; }

    /// <summary>The row, with missing values filled in, and the quality of each value.</summary>
    public Reading Reading { get; internal set; }

    /// <summary>
    /// The forecasts; null if the row could not be used, and at the first row, because no forecast is possible from one reading.
    /// </summary>
    public Forecast? Forecast { get; internal set; }

    /// <summary>
    /// Outputs of the model that are no forecasts; null if it has none, if the row could not be used, and at the first row.
    /// </summary>
    public NamedOutputs? Named { get; internal set; }

    /// <summary>An anomaly that opened, continues or closed at this tick, or null.</summary>
    public AnomalyEvent? Anomaly { get; internal set; }

    /// <summary>Limit events that opened, continue or closed at this tick.</summary>
    public IReadOnlyList<LimitEvent> Limits { get; internal set; } = [];

    /// <summary>Whether a channel failed or recovered at this tick.</summary>
    public bool QualityChanged { get; internal set; }
}
