namespace Edge.Runtime.Delivery;

/// <summary>Limits of the stored rows.</summary>
internal sealed record HistoryOptions
{
    /// <summary>Smallest <see cref="SizeMaxBytes"/>.</summary>
    internal const long SizeMinBytes = 1 << 20;

    /// <summary>Most bytes of rows, and of what older ones were thinned to. The oldest go first.</summary>
    public long SizeMaxBytes { get; init; } = 256L << 20;

    /// <summary>Age at which rows are thinned to minutes.</summary>
    public TimeSpan AgeMax { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Smallest and largest <see cref="AgeMax"/>.</summary>
    internal static (TimeSpan Min, TimeSpan Max) AgeRange { get; } = (TimeSpan.FromHours(1), TimeSpan.FromDays(3660));
}
