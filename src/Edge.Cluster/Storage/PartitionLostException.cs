namespace Edge.Cluster.Storage;

/// <summary>Another worker has taken the partition: what was not committed is its work now.</summary>
internal sealed class PartitionLostException(string message) : Exception(message);
