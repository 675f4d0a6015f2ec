namespace Edge.Streams;

/// <summary>Health counters of a stream.</summary>
public sealed record StreamHealth
{
    /// <summary>Rows received.</summary>
    public required long Ticks { get; init; }

    /// <summary>Forecasts published.</summary>
    public required long Forecasts { get; init; }

    /// <summary>Rows that could not be used, so that the state did not change.</summary>
    public required long MissedTicks { get; init; }

    /// <summary>Anomalies opened.</summary>
    public required long Anomalies { get; init; }

    /// <summary>Score of the last tick; abnormal from 1 on.</summary>
    public required double AnomalyScore { get; init; }

    /// <summary>Share of actual values inside their interval; NaN before the first.</summary>
    public required double Coverage { get; init; }

    /// <summary>
    /// How much better than "nothing changes" the model is: 1 perfect, 0 no better, NaN before the first forecast is due.
    /// </summary>
    public required double Skill { get; init; }

    /// <summary>The same against "as it was a season ago"; NaN without a season, or before the first has passed.</summary>
    public required double SeasonalSkill { get; init; }

    /// <summary>
    /// How many of the model's forecasts are corrected: the mean of their last errors is taken off, because that leaves less than half of
    /// their squares. The model does not know these readings; it should learn again.
    /// </summary>
    public required int CorrectedForecasts { get; init; }

    /// <summary>Ticks without a usable value, per channel.</summary>
    public required IReadOnlyList<long> BadTicks { get; init; }

    /// <summary>Ticks whose value was clipped to the model's range, per channel.</summary>
    public required IReadOnlyList<long> SaturatedTicks { get; init; }

    /// <summary>
    /// Share of the channels whose level is outside what the model knows from its calibration rows, 0..1; NaN if it knows no levels.
    /// </summary>
    public required double OutsideShare { get; init; }

    /// <summary>Usable rows before the first anomaly can open; 0 once it can.</summary>
    public required long WarmUpRowsLeft { get; init; }

    /// <summary>What the detector learns or watches now, and what it does not, in one or two sentences.</summary>
    public required string Detection { get; init; }

    /// <summary>How often a unit's cell or hidden state was clipped to its range, over all units.</summary>
    public required long StateSaturations { get; init; }
}
