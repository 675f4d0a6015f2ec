namespace Edge.Cluster.Storage;

/// <summary>A stream as it is stored.</summary>
/// <param name="Key">Device and stream: <c>press-7/climate</c>.</param>
/// <param name="SeqBefore">Its number when it was loaded or stored last; 0 if it is new.</param>
/// <param name="Seq">Number of its last tick.</param>
/// <param name="Time">Time of its last row, UTC.</param>
/// <param name="Number">Number of its last row; 0 if rows have none.</param>
/// <param name="State">Its state, before the rows of <paramref name="Tail"/>; when storing, empty if the stored one stays.</param>
/// <param name="Tail">The rows since then.</param>
internal sealed record StoredState(string Key, long SeqBefore, long Seq, DateTime Time, long Number, byte[] State, byte[] Tail);
