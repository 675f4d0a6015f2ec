using Edge.Sensors.Timing;

namespace Edge.Sensors.Replay;

/// <summary>Recorded rows from a CSV file.</summary>
internal sealed record ReplayOptions : SourceOptions
{
    public required string File { get; init; }

    /// <summary>Header of the time column; null to detect it, or for none.</summary>
    public string? TimeColumn { get; init; }

    public PlaybackSpeed Speed { get; init; } = new(1);

    /// <summary>Whether the file begins again when it ends.</summary>
    public bool Loop { get; init; }

    internal override string Identity => $"replay {Path.GetFullPath(File)}";
}
