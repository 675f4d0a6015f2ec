namespace Edge.Streams;

/// <summary>A source of readings: one row a call, at the source's own pace.</summary>
public interface ISensor : IDisposable
{
    /// <summary>How it gives its rows.</summary>
    SourceKind Kind { get; }

    /// <summary>Continues after rows that were taken in before a restart: a source that would give them again skips them, others note the gap.</summary>
    /// <param name="rows">How many rows were taken in.</param>
    /// <param name="lastTime">Time of the last of them, UTC.</param>
    void Resume(long rows, DateTime lastTime);

    /// <summary>Waits for the next row and fills it in, channels in the model's order.</summary>
    /// <param name="into">The row to fill.</param>
    /// <param name="cancel">Ends the wait; the row that is waited for is then the next one.</param>
    /// <returns>False when there will be no more rows.</returns>
    ValueTask<bool> ReadAsync(Reading into, CancellationToken cancel);

    /// <summary>Tells the source that every row so far is committed and need not be given again.</summary>
    void Committed()
    {
    }
}
