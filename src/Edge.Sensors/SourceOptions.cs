namespace Edge.Sensors;

/// <summary>Where a stream's rows come from.</summary>
internal abstract record SourceOptions
{
    /// <summary>The source in words that stay the same: a saved state belongs to it.</summary>
    internal abstract string Identity { get; }
}
