using System.Text.Json;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Streams;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary><c>ranges</c>: impossible values of whole rows are those of an error code, not readings.</summary>
public sealed class RangesTests : IDisposable
{
    private const string Csv = """
        time,temperature,humidity,co2,light
        2026-01-01 00:00:00,21,50,600,10
        2026-01-01 00:00:01,-127,50,600,10
        2026-01-01 00:00:02,21,65535,,10
        2026-01-01 00:00:03,-40,100,600,10

        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void They_are_read_beside_a_source()
    {
        var rows = Assert.IsType<MqttRowOptions>(Source(
            "ranges: { temperature: { min: -40 }, humidity: { min: 0, max: 100 } }, source: { mqtt: { topic: a } }"));
        Assert.Equal(["humidity", "temperature"], rows.Ranges.Keys.Order());
        Assert.Equal(new ValueRange(0, 100), rows.Ranges["humidity"]);
        Assert.Equal(-40, rows.Ranges["temperature"].Min);
        Assert.Null(rows.Ranges["temperature"].Outside(double.MaxValue));

        // The channels of a stream have their own, which hold for a recording of them, too.
        SourceOptions channels = Source("channels: { a: { hwmon: { chip: c, input: i }, max: 3 }, b: { hwmon: { chip: c, input: j } } }");
        ValueRange channel = Assert.Single(channels.Ranges).Value;
        Assert.Equal("the value is above 'max', which is 3: '3.5'", channel.Outside(3.5));
        Assert.Empty(Source("source: { simulated: {} }").Ranges);
    }

    [Theory]
    [InlineData("ranges: { a: {} }, source: { simulated: {} }", "the range of 'a' needs 'min', 'max' or both")]
    [InlineData("ranges: { a: { min: 5, max: 5 } }, source: { simulated: {} }", "'max' must be greater than 'min'")]
    [InlineData("ranges: { a: { min: .nan } }, source: { simulated: {} }", "'min' must be a number from -1000000000000 to 1000000000000")]
    [InlineData("ranges: { a: { low: 5 } }, source: { simulated: {} }", "'low'")]
    [InlineData("ranges: 5, source: { simulated: {} }", "'ranges'")]
    [InlineData(
        "ranges: { a: { min: 5 } }, channels: { a: { hwmon: { chip: c, input: i } } }",
        "each of the 'channels' has its own 'min' and 'max'")]
    public void What_is_wrong_is_said(string keys, string said)
    {
        InputException refused = Assert.Throws<InputException>(() => Source(keys));
        Assert.Contains(said, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_value_outside_is_out_of_range_and_the_rest_of_its_row_counts()
    {
        JsonElement[] readings = await ReplayAsync(
            "ranges: { temperature: { min: -40, max: 120 }, humidity: { max: 100 } }, source: { mqtt: { topic: a } }");
        Assert.Equal([null, "out_of_range", null, null], readings.Select(reading => Quality(reading, "temperature")));
        Assert.Equal([null, null, "out_of_range", null], readings.Select(reading => Quality(reading, "humidity")));
        Assert.Equal([null, null, "missing", null], readings.Select(reading => Quality(reading, "co2")));
        Assert.Equal(JsonValueKind.Null, Channel(readings[1], "temperature").GetProperty("value").ValueKind);
        Assert.Equal(50, Channel(readings[1], "humidity").GetProperty("value").GetDouble());
    }

    [Fact]
    public async Task Why_it_is_not_used_is_said()
    {
        using ISensor sensor = RangedSensor.Around(
            new ListSensor([[-127, 50], [21, 50]]), new Dictionary<string, ValueRange> { ["a"] = new(-40, double.NaN) }, ["a", "b"]);
        var row = new Reading(2);
        Assert.True(await sensor.ReadAsync(row, default));
        Assert.Equal((0, Edge.Streams.Quality.OutOfRange), (row.Values[0], row.Quality[0]));
        Assert.Equal("the value is below 'min', which is -40: '-127'", row.Faults[0]);
        Assert.Null(row.Faults[1]);
        Assert.True(await sensor.ReadAsync(row, default));
        Assert.Equal((21, Edge.Streams.Quality.Good), (row.Values[0], row.Quality[0]));
        Assert.All(row.Faults, Assert.Null);
    }

    [Fact]
    public async Task A_recording_of_channels_is_replayed_with_their_ranges()
    {
        JsonElement[] readings = await ReplayAsync(
            "channels: { temperature: { hwmon: { chip: c, input: i }, min: -40 }, gone: { hwmon: { chip: c, input: j }, max: 1 } }");
        Assert.Equal([null, "out_of_range", null, null], readings.Select(reading => Quality(reading, "temperature")));
    }

    [Fact]
    public async Task A_range_of_a_column_that_the_model_does_not_have_is_refused()
    {
        string config = _folder.Write("edge.yaml", """
            device: house
            mqtt: { host: 127.0.0.1 }
            streams:
              - { name: s, model: demo, ranges: { pressure: { min: 0 } }, source: { simulated: {} } }
            """);
        var output = new StringWriter();
        Assert.Equal(1, await Program.RunAsync(["record", "--config", config, "--output", _folder.File("x.csv")], TextWriter.Null, output));
        Assert.Contains(
            "'ranges' has pressure, which the model does not read. The model's columns are temperature, ",
            output.ToString(),
            StringComparison.Ordinal);
    }

    private async Task<JsonElement[]> ReplayAsync(string keys)
    {
        string config = _folder.Write("edge.yaml", $"device: d\nstreams: [ {{ name: s, model: demo, hold: 0, {keys} }} ]\n");
        string output = _folder.File("out.jsonl");
        var error = new StringWriter();
        int code = await Program.RunAsync(
            ["replay", "--config", config, "--data", _folder.Write("x.csv", Csv), "--output", output], TextWriter.Null, error);
        Assert.True(code == 0, error.ToString());
        return
        [
            .. File.ReadLines(output).Select(line => JsonDocument.Parse(line).RootElement)
                .Where(line => line.TryGetProperty("channels", out _) && !line.TryGetProperty("interval", out _)),
        ];
    }

    private static SourceOptions Source(string keys) =>
        Assert.Single(ConfigFile.Parse($"device: d\nstreams: [ {{ name: s, model: demo, {keys} }} ]\n", "edge.yaml").Streams).Source;

    private static JsonElement Channel(JsonElement reading, string channel) => reading.GetProperty("channels").GetProperty(channel);

    private static string? Quality(JsonElement reading, string channel) =>
        Channel(reading, channel).TryGetProperty("quality", out JsonElement quality) ? quality.GetString() : null;
}
