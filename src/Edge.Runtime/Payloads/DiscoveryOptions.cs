namespace Edge.Runtime.Payloads;

/// <summary>Home automation that gets a description of this device.</summary>
internal enum Discovery
{
    None,
    HomeAssistant,
}

/// <summary>Discovery by Home Assistant.</summary>
internal sealed record DiscoveryOptions
{
    /// <summary>Who gets a description.</summary>
    public Discovery For { get; init; }

    /// <summary>Begin of the topics on which Home Assistant looks for descriptions.</summary>
    public string Prefix { get; init; } = "homeassistant";

    /// <summary>Topic on which Home Assistant says that it has started; null for PREFIX/status.</summary>
    public string? BirthTopic { get; init; }
}

/// <summary>What the entities of a stream in Home Assistant see.</summary>
internal sealed record EntityOptions
{
    /// <summary>Shortest time between two updates.</summary>
    public TimeSpan Every { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Whether there is an update only when a value has changed, or when entities would expire.</summary>
    public bool OnChange { get; init; }

    /// <summary>Shortest and longest <see cref="Every"/>.</summary>
    internal static (TimeSpan Min, TimeSpan Max) EveryRange { get; } = (TimeSpan.FromMilliseconds(100), TimeSpan.FromDays(1));

    /// <summary>Time without an update after which an entity has no value any more: a few updates, and at least half a minute.</summary>
    /// <param name="period">Time from tick to tick.</param>
    internal TimeSpan Expiry(TimeSpan period)
    {
        TimeSpan update = period > Every ? period : Every;
        TimeSpan few = 5 * update;
        return few > ExpiryMin ? few : ExpiryMin;
    }

    private static readonly TimeSpan ExpiryMin = TimeSpan.FromSeconds(30);
}
