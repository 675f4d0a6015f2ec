using Edge.Inference;
using Edge.Inference.Models;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Streams;
using Edge.Streams.Engines;

namespace Edge.Cluster.Pipeline;

/// <summary>Checks that the settings of a rule fit its model, before a row comes.</summary>
internal static class StreamChecks
{
    /// <exception cref="InputException">They do not.</exception>
    internal static void Require(StreamRule rule, ModelManifest manifest)
    {
        _ = new JsonValues(rule.Values, manifest.Columns, rule.Numbers);
        using var stream = new SensorStream(new NoModelEngine(manifest), rule.Options);
        using var payloads = new StreamPayloads("device", stream, rule.Publish, TimeSpan.FromDays(1));
    }
}
