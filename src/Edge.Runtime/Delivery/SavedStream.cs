namespace Edge.Runtime.Delivery;

/// <summary>State of a stream after its last committed tick: a snapshot, and the rows that came after it.</summary>
/// <param name="Seq">Its last number (<c>seq</c>); the next one is at least this plus 1.</param>
/// <param name="Snapshot">Its state at some tick; empty if there is none, or it is damaged.</param>
/// <param name="Source">Description of its source.</param>
internal sealed record SavedStream(long Seq, byte[] Snapshot, string Source)
{
    /// <summary>Number of the last tick in the snapshot.</summary>
    public long Stepped { get; init; } = Seq;

    /// <summary>The rows after the snapshot, without a gap. Stepped again, they give the state after the last of them.</summary>
    public IReadOnlyList<HistoryRow> Rows { get; init; } = [];
}
