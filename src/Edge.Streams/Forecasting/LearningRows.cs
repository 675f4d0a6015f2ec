namespace Edge.Streams.Forecasting;

/// <summary>How many rows a forecast is learned from at least.</summary>
public static class LearningRows
{
    /// <summary>Fewest rows that something can be learned from.</summary>
    public const int Min = 150;

    // A tenth of the rows chooses between candidates, and must reach further than the forecast.
    private const int PartsOfRows = 10;

    /// <summary>Fewest rows to learn to forecast so many ticks ahead.</summary>
    /// <param name="ticksAhead">The most ticks ahead.</param>
    public static long For(int ticksAhead) => Math.Max(Min, PartsOfRows * (ticksAhead + 1L));
}
