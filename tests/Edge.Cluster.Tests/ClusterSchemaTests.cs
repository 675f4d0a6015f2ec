using System.Globalization;
using System.Text.Json;
using Edge.Cluster.Broker;
using Edge.Cluster.Configuration;
using Edge.Cluster.Pipeline;
using Edge.Cluster.Workers;
using Edge.Inference;
using Edge.Testing;

namespace Edge.Cluster.Tests;

/// <summary>The schema that editors use, the sample that ships, and the parser say the same.</summary>
public sealed class ClusterSchemaTests
{
    private const string Nonsense = "zzzzzzzzzzzzzzzz";

    // The parser knows it in order to say why it is not for edge-cluster.
    private const string NotForClusters = "alarm_pin";

    private static readonly JsonElement Schema = JsonDocument.Parse(
        File.ReadAllText(RepositoryFile.Path("deploy/cluster/cluster.schema.json"))).RootElement;

    [Fact]
    public void The_sample_points_to_the_schema() => Assert.StartsWith(
        "# yaml-language-server: $schema=cluster.schema.json",
        File.ReadAllText(RepositoryFile.Path("deploy/cluster/cluster.yaml")),
        StringComparison.Ordinal);

    // Where in a configuration, and where in the schema: an unknown key has the parser name those it knows.
    [Theory]
    [InlineData("{0}", "properties")]
    [InlineData("rabbitmq: {{ {0} }}", "properties/rabbitmq/properties")]
    [InlineData("rabbitmq: {{ tls: {{ {0} }} }}", "definitions/tls/properties")]
    [InlineData("postgresql: {{ {0} }}", "properties/postgresql/properties")]
    [InlineData("postgresql: {{ tls: {{ {0} }} }}", "definitions/tls/properties")]
    [InlineData("worker: {{ {0} }}", "properties/worker/properties")]
    [InlineData("telemetry: {{ {0} }}", "properties/telemetry/properties")]
    [InlineData("streams: [ {{ {0} }} ]", "definitions/stream/properties")]
    [InlineData("streams: [ {{ forecast: {{ {0} }} }} ]", "definitions/stream/properties/forecast/properties")]
    [InlineData("streams: [ {{ anomaly: {{ {0} }} }} ]", "definitions/stream/properties/anomaly/properties")]
    [InlineData("streams: [ {{ limits: {{ c: {{ {0} }} }} }} ]", "definitions/limit/properties")]
    public void The_schema_knows_the_keys_that_the_parser_knows(string place, string schemaPath)
    {
        string yaml = string.Format(CultureInfo.InvariantCulture, place, $"{Nonsense}: 1");
        string message = Assert.Throws<InputException>(() => ClusterConfigFile.Parse(yaml, "cluster.yaml")).Message;
        string line = Assert.Single(message.Split('\n'), error => error.Contains(Nonsense, StringComparison.Ordinal));
        string[] known = line[(line.IndexOf("known keys: ", StringComparison.Ordinal) + 12)..].TrimEnd('.').Split(", ");
        Assert.Equal(
            known.Where(key => key != NotForClusters).Order(StringComparer.Ordinal),
            At(schemaPath).EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("properties/partitions", ClusterConfig.PartitionsMin, ClusterConfig.PartitionsMax)]
    [InlineData("properties/rabbitmq/properties/prefetch", BrokerOptions.PrefetchMin, BrokerOptions.PrefetchMax)]
    [InlineData("properties/worker/properties/batch", WorkerOptions.BatchMin, WorkerOptions.BatchMax)]
    [InlineData("properties/worker/properties/streams", WorkerOptions.StreamsMin, WorkerOptions.StreamsMax)]
    public void The_schema_has_the_ranges_of_the_parser(string schemaPath, int min, int max) => Assert.Equal(
        (min, max),
        (At(schemaPath).GetProperty("minimum").GetInt32(), At(schemaPath).GetProperty("maximum").GetInt32()));

    [Theory]
    [InlineData("plant/+/rows")]
    [InlineData("line/+/+/in")]
    [InlineData("+/+")]
    [InlineData("plant/rows")]
    [InlineData("plant/+/#")]
    [InlineData("plant/+x/rows")]
    [InlineData("a/+/+/+")]
    [InlineData("a.b/+")]
    public void The_schema_takes_the_topics_that_the_parser_takes(string topics) => Assert.Equal(
        TopicPattern.Parse(topics) is not null,
        System.Text.RegularExpressions.Regex.IsMatch(
            topics, At("definitions/stream/properties/topics").GetProperty("pattern").GetString()!));

    private static JsonElement At(string schemaPath)
    {
        JsonElement at = Schema;
        foreach (string step in schemaPath.Split('/'))
        {
            at = at.GetProperty(step);
        }

        return at;
    }
}
