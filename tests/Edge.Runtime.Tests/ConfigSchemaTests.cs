using System.Text.Json;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Sensors.Polling;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary>The schema that editors use, the samples that ship, and the parser say the same.</summary>
public sealed class ConfigSchemaTests
{
    private const string Nonsense = "zzzzzzzzzzzzzzzz";

    private static readonly JsonElement Schema = JsonDocument.Parse(
        File.ReadAllText(RepositoryFile.Path("deploy/config/edge.schema.json"))).RootElement;

    [Theory]
    [InlineData("raspberry-pi.yaml")]
    [InlineData("jetson.yaml")]
    [InlineData("gateway.yaml")]
    public void Every_sample_is_valid_and_points_to_the_schema(string sample)
    {
        string path = RepositoryFile.Path($"deploy/config/{sample}");
        Assert.StartsWith("# yaml-language-server: $schema=edge.schema.json", File.ReadAllText(path), StringComparison.Ordinal);
        EdgeConfig config = ConfigFile.Load(path);
        Assert.Equal("/var/lib/edge-runtime", config.StateFolder);
        Assert.All(config.Streams, stream => Assert.IsType<ChannelsOptions>(stream.Source));
    }

    // Where in a configuration, and where in the schema: an unknown key has the parser name those it knows.
    [Theory]
    [InlineData("{0}", "properties")]
    [InlineData("mqtt: {{ {0} }}", "properties/mqtt/properties")]
    [InlineData("models: {{ {0} }}", "properties/models/properties")]
    [InlineData("telemetry: {{ {0} }}", "properties/telemetry/properties")]
    [InlineData("web: {{ {0} }}", "properties/web/properties")]
    [InlineData("onnxruntime: {{ {0} }}", "properties/onnxruntime/properties")]
    [InlineData("mqtt: {{ tls: {{ {0} }} }}", "properties/mqtt/properties/tls/properties")]
    [InlineData("mqtt: {{ outbox: {{ {0} }} }}", "properties/mqtt/properties/outbox/properties")]
    [InlineData("streams: [ {{ channels: {{}}, source: {{}}, {0} }} ]", "definitions/stream/properties")]
    [InlineData("streams: [ {{ channels: {{ c: {{ {0} }} }} }} ]", "definitions/channel/properties")]
    [InlineData("streams: [ {{ channels: {{ c: {{ i2c: {{ {0} }} }} }} }} ]", "definitions/channel/properties/i2c/properties")]
    [InlineData("streams: [ {{ channels: {{ c: {{ iio: {{ {0} }} }} }} }} ]", "definitions/channel/properties/iio/properties")]
    [InlineData("streams: [ {{ channels: {{ c: {{ hwmon: {{ {0} }} }} }} }} ]", "definitions/channel/properties/hwmon/properties")]
    [InlineData("streams: [ {{ channels: {{ c: {{ mqtt: {{ {0} }} }} }} }} ]", "definitions/channel/properties/mqtt/properties")]
    [InlineData("streams: [ {{ channels: {{ c: {{ gpio: {{ {0} }} }} }} }} ]", "definitions/channel/properties/gpio/properties")]
    [InlineData("streams: [ {{ source: {{ {0} }} }} ]", "definitions/stream/properties/source/properties")]
    [InlineData("streams: [ {{ source: {{ mqtt: {{ {0} }} }} }} ]", "definitions/stream/properties/source/properties/mqtt/properties")]
    [InlineData("streams: [ {{ source: {{ replay: {{ {0} }} }} }} ]", "definitions/stream/properties/source/properties/replay/properties")]
    [InlineData(
        "streams: [ {{ source: {{ simulated: {{ {0} }} }} }} ]",
        "definitions/stream/properties/source/properties/simulated/properties")]
    [InlineData("streams: [ {{ source: {{ simulated: {{ faults: [ {{ {0} }} ] }} }} }} ]", "definitions/fault/properties")]
    [InlineData(
        "streams: [ {{ source: {{ simulated: {{}} }}, ranges: {{ c: {{ {0} }} }} }} ]",
        "definitions/stream/properties/ranges/additionalProperties/properties")]
    [InlineData("streams: [ {{ source: {{ simulated: {{}} }}, anomaly: {{ {0} }} }} ]", "definitions/stream/properties/anomaly/properties")]
    [InlineData(
        "streams: [ {{ source: {{ simulated: {{}} }}, forecast: {{ {0} }} }} ]",
        "definitions/stream/properties/forecast/properties")]
    [InlineData(
        "streams: [ {{ source: {{ simulated: {{}} }}, homeassistant: {{ {0} }} }} ]",
        "definitions/stream/properties/homeassistant/properties")]
    [InlineData("streams: [ {{ source: {{ simulated: {{}} }}, limits: {{ c: {{ {0} }} }} }} ]", "definitions/limit/properties")]
    public void The_schema_knows_the_keys_that_the_parser_knows(string place, string schemaPath)
    {
        string yaml = string.Format(System.Globalization.CultureInfo.InvariantCulture, place, $"{Nonsense}: 1");
        string message = Assert.Throws<InputException>(() => ConfigFile.Parse(yaml, "edge.yaml")).Message;
        string line = Assert.Single(message.Split('\n'), error => error.Contains(Nonsense, StringComparison.Ordinal));
        string[] known = line[(line.IndexOf("known keys: ", StringComparison.Ordinal) + 12)..].TrimEnd('.').Split(", ");
        JsonElement at = Schema;
        foreach (string step in schemaPath.Split('/'))
        {
            at = at.GetProperty(step);
        }

        Assert.Equal(
            known.Order(StringComparer.Ordinal),
            at.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal));
    }
}
