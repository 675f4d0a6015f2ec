using Edge.Cluster.Broker;
using Edge.Cluster.Pipeline;
using Edge.Cluster.Storage;
using Edge.Inference;
using Edge.Runtime;
using Microsoft.Extensions.Logging;

namespace Edge.Cluster.Workers;

/// <summary>What the partitions of a worker share.</summary>
internal sealed class WorkerParts
{
    private readonly LogLimit _outages;
    private readonly LogLimit _refusals;

    internal WorkerParts(TimeProvider clock, ILogger log)
    {
        Clock = clock;
        Log = log;
        _outages = new LogLimit(clock, burst: 2);
        _refusals = new LogLimit(clock, burst: 3);
    }

    /// <summary>Name of the worker.</summary>
    internal required string Name { get; init; }

    internal required WorkerOptions Options { get; init; }

    internal required BrokerLink Link { get; init; }

    internal required Topology Topology { get; init; }

    internal required ClusterDatabase Database { get; init; }

    internal required IReadOnlyList<RuleModel> Rules { get; init; }

    internal required MemoryBudget Budget { get; init; }

    internal required WorkerMetrics Metrics { get; init; }

    internal TimeProvider Clock { get; }

    internal ILogger Log { get; }

    /// <summary>Logs an outage; all partitions find the same one.</summary>
    internal void SayOutage(string sentence)
    {
        if (_outages.Allows(out string more))
        {
            Log.LogError("{Sentence} Trying again{More}", sentence.EndsWith('.') ? sentence : sentence + ".", more);
        }
    }

    /// <summary>Logs that a row is not used.</summary>
    internal void SayRefused(string topic, string reason)
    {
        if (_refusals.Allows(out string more))
        {
            Log.LogWarning(
                "Topic '{Topic}': refused: {Reason}. The row is on queue {Queue}{More}",
                PrintableText.Of(topic),
                reason,
                Topology.Refused,
                more);
        }
    }
}
