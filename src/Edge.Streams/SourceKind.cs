namespace Edge.Streams;

/// <summary>How a source gives its rows, which decides what may be done with them.</summary>
public enum SourceKind
{
    /// <summary>The world, a row every period. It does not wait: a row that is not read in time is lost.</summary>
    Live,

    /// <summary>The world, a row whenever something else says so, such as a data-ready line. It does not wait.</summary>
    Triggered,

    /// <summary>Rows that wait elsewhere, such as at a broker, until they are acknowledged, and then are gone.</summary>
    Queued,

    /// <summary>A recording at its own pace. It waits, and gives the same rows again after a restart.</summary>
    Recorded,

    /// <summary>A recording as fast as it can be read: several rows may be committed together.</summary>
    Unpaced,
}

/// <summary>What a <see cref="SourceKind"/> means.</summary>
public static class SourceKindExtensions
{
    /// <summary>Whether the source can wait while there is no room for its rows.</summary>
    public static bool CanWait(this SourceKind kind) => kind >= SourceKind.Queued;

    /// <summary>Whether the source gives the same rows again, whatever becomes of them.</summary>
    public static bool IsRecorded(this SourceKind kind) => kind >= SourceKind.Recorded;
}
