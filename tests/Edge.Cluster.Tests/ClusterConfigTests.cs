using System.Text.RegularExpressions;
using Edge.Cluster.Configuration;
using Edge.Inference;
using Edge.Testing;
using YamlDotNet.RepresentationModel;

namespace Edge.Cluster.Tests;

/// <summary>cluster.yaml: every mistake is one line with line and column.</summary>
public sealed partial class ClusterConfigTests
{
    private const string Good = """
        partitions: 8
        rabbitmq: { hosts: [rabbit-1, rabbit-2:5673], username: edge, password: secret }
        postgresql: { host: db }
        streams:
          - { topics: plant/+/rows, name: climate, model: climate.safetensors }
          - { topics: line/+/+/in, model: demo, number: $.n, time: $.ts, publish: [forecast] }
        """;

    [Fact]
    public void A_configuration_is_read_with_its_defaults()
    {
        ClusterConfig config = ClusterConfigFile.Parse(Good, "/etc/edge/cluster.yaml");
        Assert.Equal(8, config.Partitions);
        Assert.Equal(["rabbit-1:5672", "rabbit-2:5673"], config.Broker.Nodes.Select(node => node.ToString()));
        Assert.Equal("plant.*.rows", config.Streams[0].Topics.RoutingPattern);
        Assert.Equal("/etc/edge/climate.safetensors", config.Streams[0].Model);
        Assert.Null(config.Streams[1].Name);
        Assert.False(config.Streams[1].Publish.Readings);
        Assert.Equal(500, config.Worker.Batch);
    }

    [Theory]
    [InlineData("partitions: 8", "partitions: 0", "cluster.yaml:1:13: 'partitions' must be a whole number from 1 to 1024, not '0'.")]
    [InlineData("host: db", "host: db, passwort: x", "cluster.yaml:3:25: unknown key 'passwort'")]
    [InlineData("rabbit-2:5673", "rabbit-2:99999", "'hosts' has 'rabbit-2:99999'; a port is a number from 1 to 65535.")]
    [InlineData("plant/+/rows", "plant/rows", "'topics' is 'plant/rows'; it must have one + for the device's name")]
    [InlineData("plant/+/rows", "plant/+/#", "'topics' is 'plant/+/#'; it must have one +")]
    [InlineData("name: climate, ", "", "'name' is missing (the streams' name in topics).")]
    [InlineData("topics: line/+/+/in", "topics: line/+/+/in, name: x", "'name' is not for topics with two +")]
    [InlineData("number: $.n", "number: n", "'number' must name one value")]
    [InlineData("model: demo", "model: demo, forecast: { horizon: 5 }", "'forecast.horizon' is not for edge-cluster")]
    [InlineData("line/+/+/in, model: demo", "plant/+/rows, name: b, model: demo", "two entries have the topics 'plant/+/rows'.")]
    [InlineData("password: secret", "password: { file: /no/such/file }", "'password' cannot be read from its file")]
    [InlineData("streams:", "stream:", "unknown key 'stream'; did you mean 'streams'?")]
    [InlineData("postgresql: { host: db }", "", "'postgresql' is missing (where the database is).")]
    public void A_mistake_is_named_with_its_place(string written, string mistaken, string sentence)
    {
        InputException e = Assert.Throws<InputException>(
            () => ClusterConfigFile.Parse(Good.Replace(written, mistaken, StringComparison.Ordinal), "cluster.yaml"));
        Assert.Contains(sentence, e.Message, StringComparison.Ordinal);
        Assert.All(e.Message.Split('\n'), line => Assert.Matches("^cluster.yaml:[0-9]+:[0-9]+: .*[.?]$", line));
    }

    [Fact]
    public void The_configurations_of_the_deployments_can_be_read()
    {
        AssertRead("deploy/cluster/cluster.yaml", File.ReadAllText(RepositoryFile.Path("deploy/cluster/cluster.yaml")));
        var manifests = new YamlStream();
        manifests.Load(new StringReader(File.ReadAllText(RepositoryFile.Path("deploy/cluster/kubernetes.yaml"))));
        Assert.All(manifests.Documents, manifest => Assert.NotNull(manifest.RootNode["apiVersion"]));
        AssertRead("deploy/cluster/kubernetes.yaml", ((YamlScalarNode)manifests.Documents[0].RootNode["data"]["cluster.yaml"]).Value!);
        var compose = new YamlStream();
        compose.Load(new StringReader(File.ReadAllText(RepositoryFile.Path("deploy/cluster/compose.yaml"))));
        Assert.Equal("edge-cluster", ((YamlScalarNode)compose.Documents[0].RootNode["x-worker"]["image"]).Value);
    }

    [Fact]
    public void The_configurations_in_the_documents_can_be_read()
    {
        MarkdownBlock[] blocks = [.. MarkdownFile.All.SelectMany(file => file.Blocks).Where(block => block.Info == "yaml cluster")];
        Assert.NotEmpty(blocks);
        Assert.All(blocks, block => AssertRead(block.Place, block.Text));
    }

    [Fact]
    public void Every_command_and_option_in_the_documents_exists() =>
        MarkdownFile.Holds(new DocumentedCommands("edge-cluster", "src/Edge.Cluster", Help).Problems());

    private static string Help(string[] args)
    {
        var output = new StringWriter();
        int code = Program.RunAsync(args, output, output).GetAwaiter().GetResult();
        return code == 0 ? output.ToString() : throw new InvalidOperationException(output.ToString());
    }

    // The files of secrets are those of the deployment.
    private static void AssertRead(string place, string text)
    {
        ClusterConfig config = ClusterConfigFile.Parse(SecretPattern().Replace(text, "password: secret"), place);
        Assert.NotEmpty(config.Streams);
    }

    [GeneratedRegex(@"password: \{ file: [^}]*\}")]
    private static partial Regex SecretPattern();
}
