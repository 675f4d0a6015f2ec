using Edge.Streams.Detection;
using Edge.Streams.Forecasting;
using Edge.Streams.Limits;

namespace Edge.Streams;

/// <summary>How a stream treats its readings.</summary>
public record StreamOptions
{
    /// <summary>Most ticks for which a value can be held.</summary>
    public const int HoldTicksMax = 100_000;

    /// <summary>Name of the stream, in the ids of its anomalies and in its log.</summary>
    public required string Name { get; init; }

    /// <summary>Time from tick to tick; null for the model's own.</summary>
    public TimeSpan? Period { get; init; }

    /// <summary>Ticks for which a channel without a usable value keeps its last one, 0..<see cref="HoldTicksMax"/>.</summary>
    public int HoldTicks { get; init; } = 5;

    /// <summary>Forecasts and their intervals.</summary>
    public ForecastOptions Forecast { get; init; } = new();

    /// <summary>When readings count as abnormal.</summary>
    public AnomalyOptions Anomaly { get; init; } = new();

    /// <summary>Limits of channels, at most one entry per channel.</summary>
    public IReadOnlyList<LimitOptions> Limits { get; init; } = [];
}
