namespace Edge.Cluster.Storage;

/// <summary>A partition as the database has it.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Epoch">How often it was taken.</param>
/// <param name="Owner">The worker that took it last, or null.</param>
/// <param name="NewestRow">Time of the newest row that is committed, UTC; the default for none.</param>
/// <param name="Rows">Rows that were used so far.</param>
/// <param name="Unpublished">Batches whose messages may not be published yet.</param>
/// <param name="Streams">Streams in it.</param>
internal sealed record PartitionStatus(
    int Id, long Epoch, string? Owner, DateTime NewestRow, long Rows, long Unpublished, long Streams);
