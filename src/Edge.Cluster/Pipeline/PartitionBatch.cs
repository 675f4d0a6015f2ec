using Edge.Cluster.Broker;
using Edge.Cluster.Storage;
using Edge.Runtime.Mqtt;

namespace Edge.Cluster.Pipeline;

/// <summary>What a batch of rows gave; filled again for each.</summary>
internal sealed class PartitionBatch
{
    /// <summary>Streams that changed.</summary>
    internal List<StoredState> States { get; } = [];

    /// <summary>Messages to be published, in order.</summary>
    internal List<MqttMessage> Messages { get; } = [];

    /// <summary>Rows that could not be used, and why.</summary>
    internal List<(RowDelivery Row, string Reason)> Refused { get; } = [];

    /// <summary>Rows that were used.</summary>
    internal int Rows { get; set; }

    /// <summary>Rows that had come before.</summary>
    internal int Duplicates { get; set; }

    internal void Clear()
    {
        States.Clear();
        Messages.Clear();
        Refused.Clear();
        (Rows, Duplicates) = (0, 0);
    }
}
