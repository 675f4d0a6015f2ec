using Edge.Sensors.Timing;

namespace Edge.Sensors.Replay;

/// <summary>Order of the rows in a file.</summary>
internal enum RowOrder
{
    OldestFirst,
    NewestFirst,
}

/// <summary>Recorded rows from a CSV file.</summary>
internal sealed record ReplayOptions : SourceOptions
{
    public required string File { get; init; }

    /// <summary>Headers of the time columns, such as Date and Time; empty to detect them, or for none.</summary>
    public IReadOnlyList<string> TimeColumns { get; init; } = [];

    /// <summary>How the times are written.</summary>
    public TimeOptions Times { get; init; } = new();

    /// <summary>Order of the rows. A file with the newest row first is read as a whole and reversed.</summary>
    public RowOrder Order { get; init; }

    /// <summary>A column that marks rows with 0 and 1, yes and no, or true and false; null for none.</summary>
    internal string? FlagColumn { get; init; }

    /// <summary>From row to row, which tells how many rows are missing in a gap; null for what the first rows say.</summary>
    internal TimeSpan? Spacing { get; init; }

    /// <summary>What the user writes to read a file with the newest row first, for advice.</summary>
    internal string OrderSetting { get; init; } = "'order: newest_first'";

    public PlaybackSpeed Speed { get; init; } = new(1);

    /// <summary>Whether the file begins again when it ends.</summary>
    public bool Loop { get; init; }

    internal override string Identity => $"replay {Path.GetFullPath(File)}";
}
