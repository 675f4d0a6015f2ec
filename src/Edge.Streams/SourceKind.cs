namespace Edge.Streams;

/// <summary>
/// How a source delivers its rows. It decides whether the stream may make the source wait and whether rows can be read again.
/// </summary>
public enum SourceKind
{
    /// <summary>A live source with a row every period. It does not wait: a row that is not read in time is lost.</summary>
    Live,

    /// <summary>A live source with a row at each external event, such as an edge of a data-ready line. It does not wait.</summary>
    Triggered,

    /// <summary>Rows that wait elsewhere, such as at a broker, until they are acknowledged. They cannot be read again after that.</summary>
    Queued,

    /// <summary>A recording at its own pace. It waits, and returns the same rows again after a restart.</summary>
    Recorded,

    /// <summary>A recording as fast as it can be read: several rows may be committed together.</summary>
    Unpaced,
}

/// <summary>What a <see cref="SourceKind"/> means.</summary>
public static class SourceKindExtensions
{
    /// <summary>Whether the source can wait while there is no space for its rows.</summary>
    public static bool CanWait(this SourceKind kind) => kind >= SourceKind.Queued;

    /// <summary>Whether the source returns the same rows again after a restart.</summary>
    public static bool IsRecorded(this SourceKind kind) => kind >= SourceKind.Recorded;
}
