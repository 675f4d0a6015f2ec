namespace Edge.Cluster.Broker;

/// <summary>A message of a partition, not acknowledged yet.</summary>
/// <param name="Tag">Number of the delivery.</param>
/// <param name="Topic">Its MQTT topic.</param>
/// <param name="Body">Its payload.</param>
internal readonly record struct RowDelivery(ulong Tag, string Topic, byte[] Body);
