namespace Edge.Cluster.Storage;

/// <summary>What one batch of a partition commits.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Epoch">The epoch at which it was taken.</param>
/// <param name="Batch">Number of the batch.</param>
/// <param name="Published">Number of the last batch whose messages are published.</param>
/// <param name="Rows">Rows that were used.</param>
/// <param name="States">The streams that changed.</param>
/// <param name="Messages">Messages to be published, as <see cref="MessageBlock"/> writes them; empty for none.</param>
internal sealed record BatchCommit(
    int Partition, long Epoch, long Batch, long Published, long Rows, IReadOnlyList<StoredState> States, byte[] Messages)
{
    /// <summary>Time of the newest row of the batch; the default if it has none.</summary>
    internal DateTime NewestRow => States.Count == 0 ? default : States.Max(state => state.Time);
}
