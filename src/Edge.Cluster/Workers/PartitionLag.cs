namespace Edge.Cluster.Workers;

/// <summary>How far a partition lags behind.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Waiting">Rows that no worker had fetched when they were counted last, a few seconds ago.</param>
/// <param name="RowAge">Time since the newest committed row was measured; null if there is none.</param>
internal readonly record struct PartitionLag(int Partition, long Waiting, TimeSpan? RowAge);
