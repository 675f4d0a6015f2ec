using Edge.Streams.Detection;
using Edge.Streams.Forecasting;

namespace Edge.Streams;

/// <summary>What one tick produced. A stream fills the same object again at each tick: read it before the next one, or copy what is to be kept.</summary>
public sealed class StreamTick
{
    internal StreamTick(Reading reading) => Reading = reading;

    /// <summary>Number of the tick, from 1 on; no number is given twice, also over restarts.</summary>
    public long Seq { get; internal set; }

    /// <summary>Whether this is the first tick since the stream was made or resumed.</summary>
    public bool IsFirst { get; internal set; }

    /// <summary>The row that came, with missing values filled in and what each is worth.</summary>
    public Reading Reading { get; internal set; }

    /// <summary>What comes next; null where the row could not be used, and at the very first row: a forecast from one reading is a guess.</summary>
    public Forecast? Forecast { get; internal set; }

    /// <summary>An anomaly that opened, lasts or closed at this tick, or null.</summary>
    public AnomalyEvent? Anomaly { get; internal set; }

    /// <summary>Whether a channel went bad or came back at this tick.</summary>
    public bool QualityChanged { get; internal set; }
}
