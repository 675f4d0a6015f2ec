namespace Edge.Sensors;

/// <summary>Where a stream's rows come from.</summary>
internal abstract record SourceOptions
{
    /// <summary>Stable description of the source, to which a saved state belongs.</summary>
    internal abstract string Identity { get; }

    /// <summary>The possible values of its columns, where they are limited.</summary>
    internal virtual IReadOnlyDictionary<string, ValueRange> Ranges { get; init; } = new Dictionary<string, ValueRange>();
}
