namespace Edge.Streams.Limits;

/// <summary>Limits of one channel, on its readings and on its forecasts.</summary>
public sealed record LimitOptions
{
    /// <summary>Lower limit of <see cref="Probability"/>.</summary>
    public const double ProbabilityMin = 0.01;

    /// <summary>Upper limit of <see cref="Probability"/>.</summary>
    public const double ProbabilityMax = 0.99;

    /// <summary>The channel: a column of the model.</summary>
    public required string Column { get; init; }

    /// <summary>Upper limit, in the channel's unit; NaN for none.</summary>
    public double High { get; init; } = double.NaN;

    /// <summary>Lower limit, in the channel's unit; NaN for none.</summary>
    public double Low { get; init; } = double.NaN;

    /// <summary>
    /// How far inside a value must be before an event closes, in the channel's unit, 0 or more; NaN for a tenth of its standard deviation.
    /// </summary>
    public double Hysteresis { get; init; } = double.NaN;

    /// <summary>
    /// Probability from which on a forecast counts as beyond the limit, <see cref="ProbabilityMin"/>..<see cref="ProbabilityMax"/>; 0.5 is
    /// the forecast itself.
    /// </summary>
    public double Probability { get; init; } = 0.5;
}
