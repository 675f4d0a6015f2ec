using Edge.Inference;

namespace Edge.Streams.Forecasting;

/// <summary>Forecasts and their intervals.</summary>
public sealed record ForecastOptions
{
    /// <summary>Lower limit of <see cref="Interval"/>.</summary>
    public const double IntervalMin = 0.5;

    /// <summary>Upper limit of <see cref="Interval"/>.</summary>
    public const double IntervalMax = 0.999;

    /// <summary>Largest number of ticks of a rollout.</summary>
    public const int HorizonMax = 1000;

    /// <summary>Share of actual values that the interval is to hold, <see cref="IntervalMin"/>..<see cref="IntervalMax"/>.</summary>
    public double Interval { get; init; } = 0.9;

    /// <summary>
    /// Ticks for which a one-step model's forecasts are fed back, 1..<see cref="HorizonMax"/>; 1 for the model's own outputs.
    /// </summary>
    public int Horizon { get; init; } = 1;

    /// <summary>Length of the season; null for a day, if that is a possible number of ticks; zero for no season.</summary>
    public TimeSpan? Season { get; init; }

    /// <summary>Ticks of a season; 0 for none.</summary>
    /// <param name="period">Time from tick to tick.</param>
    /// <exception cref="InputException">The season is too long or too short for this period.</exception>
    public int SeasonTicks(TimeSpan period)
    {
        if (Season is not { } season)
        {
            return SeasonalBaseline.DefaultTicks(period);
        }

        double ticks = Math.Round(season / period);
        return ticks is 0 or (>= 2 and <= SeasonalBaseline.TicksMax)
            ? (int)ticks
            : throw new InputException(
                $"'forecast.season' is {ticks} ticks of {period.TotalSeconds} s; it must have 2 to {SeasonalBaseline.TicksMax}. "
                    + $"Choose another season, or none.");
    }
}
