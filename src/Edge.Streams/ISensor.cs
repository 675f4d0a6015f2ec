namespace Edge.Streams;

/// <summary>A source of readings: one row per call, at the pace of the source.</summary>
public interface ISensor : IDisposable
{
    /// <summary>How the source delivers its rows.</summary>
    SourceKind Kind { get; }

    /// <summary>
    /// Continues after the rows that were committed before a restart: a repeatable source skips them, others report the gap.
    /// </summary>
    /// <param name="rows">Rows committed before the restart.</param>
    /// <param name="lastTime">Time of the last of them, UTC.</param>
    void Resume(long rows, DateTime lastTime);

    /// <summary>Waits for the next row and fills it, channels in the order of the model.</summary>
    /// <param name="into">The row to fill.</param>
    /// <param name="cancel">Cancels the wait; no row is lost.</param>
    /// <returns>False at the end of the source.</returns>
    ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel);

    /// <summary>Rows that came and could not be used as a row, such as one whose time cannot be right.</summary>
    long SkippedRows => 0;

    /// <summary>Why the last of them was not used, as a clause; null if none was skipped.</summary>
    string? LastSkip => null;

    /// <summary>Tells the source that all rows so far are committed and need not be delivered again.</summary>
    void Committed()
    {
    }
}
