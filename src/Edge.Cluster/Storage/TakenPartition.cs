namespace Edge.Cluster.Storage;

/// <summary>A partition that a worker has just taken.</summary>
/// <param name="Epoch">The epoch, which commits must name.</param>
/// <param name="Batch">Number of the last batch.</param>
/// <param name="NewestRow">Time of the newest row that is committed, UTC; the default for none.</param>
/// <param name="Unpublished">Messages of the batches that may not be published yet, in order.</param>
internal sealed record TakenPartition(long Epoch, long Batch, DateTime NewestRow, IReadOnlyList<byte[]> Unpublished);
