using System.Text;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Streams.Limits;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>What Home Assistant finds on a real broker.</summary>
public sealed class HomeAssistantTests : IDisposable
{
    private const string DeviceConfig = "homeassistant/device/house/config";
    private const string Config = "homeassistant/device/house-climate/config";
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Versions => MqttLinkContractTests.Versions;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Every_channel_horizon_limit_and_anomaly_is_described_again_at_birth_and_taken_back_when_gone(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "#");
        const string Limits = ", limits: { temperature: { high: 85 } }";
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", Write(broker.Port, version, Limits, "climate", "second")))
        {
            await subscriber.UntilAsync(
                seen => seen.Any(item => item.Topic == Config)
                    && seen.Any(item => item.Topic == "edge/house/climate/status")
                    && seen.Count(item => item.Topic == "edge/house/climate/entities") > 1);
            Assert.Empty(HomeAssistantSchema.Check(Descriptions(subscriber)));
            JsonElement described = Payload(subscriber, Config);
            Assert.Equal("edge.house.climate", described.GetProperty("dev").GetProperty("ids").GetString());
            Assert.Equal("edge.house", described.GetProperty("dev").GetProperty("via_device").GetString());
            Assert.Equal(
                ["edge/house/status", "edge/house/climate/status"],
                described.GetProperty("avty").EnumerateArray().Select(each => Text(each, "t")));
            JsonElement components = described.GetProperty("cmps");

            // Four channels, three horizons each, an anomaly, a limit with its time, three of health, a command.
            Assert.Equal(4 + (4 * 3) + 1 + 2 + 3 + 1, components.EnumerateObject().Count());
            JsonElement ahead = components.GetProperty("temperature_in_2_s");
            Assert.Equal(
                (
                    "sensor",
                    "edge.house.climate.temperature_in_2_s",
                    "edge/house/climate/entities",
                    "{{ value_json.forecast['temperature'][1] }}",
                    "°C",
                    "temperature",
                    "measurement",
                    30),
                (
                    Text(ahead, "p"),
                    Text(ahead, "uniq_id"),
                    Text(ahead, "stat_t"),
                    Text(ahead, "val_tpl"),
                    Text(ahead, "unit_of_meas"),
                    Text(ahead, "dev_cla"),
                    Text(ahead, "stat_cla"),
                    ahead.GetProperty("exp_aft").GetInt32()));
            Assert.False(ahead.TryGetProperty("json_attr_t", out _));
            JsonElement button = components.GetProperty("command_reset");
            Assert.Equal(
                ("button", "edge/house/command/reset", "{\"stream\":\"climate\"}"),
                (Text(button, "p"), Text(button, "cmd_t"), Text(button, "pl_prs")));
            JsonElement device = Payload(subscriber, DeviceConfig).GetProperty("cmps");
            Assert.Equal("edge/house/command/snapshot", Text(device.GetProperty("command_snapshot"), "cmd_t"));

            // The templates find their values in a real message.
            JsonElement entities = JsonDocument.Parse(subscriber.On("edge/house/climate/entities")[^1].Payload).RootElement;
            Assert.Equal(JsonValueKind.Number, entities.GetProperty("forecast").GetProperty("temperature")[1].ValueKind);
            Assert.Equal(JsonValueKind.Number, entities.GetProperty("reading").GetProperty("temperature").ValueKind);
            JsonElement limits = JsonDocument.Parse(subscriber.On("edge/house/climate/limit/state")[0].Payload).RootElement;
            Assert.Equal("inside", Text(limits.GetProperty("temperature").GetProperty("high"), "stage"));

            await using IMqttLink home = new MqttNetLink(
                new MqttLinkOptions
                {
                    Host = "127.0.0.1",
                    Port = broker.Port,
                    ClientId = "home",
                    Version = MqttLinkContractTests.VersionOf(version),
                });
            await home.ConnectAsync(default);
            await home.PublishAsync(
                new MqttMessage { Topic = "homeassistant/status", Payload = Encoding.UTF8.GetBytes("online"), Class = MessageClass.Event });
            await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == Config) == 2);

            // Five ticks a second, and an update a second.
            int readings = subscriber.On("edge/house/climate/reading").Count;
            Assert.InRange(subscriber.On("edge/house/climate/entities").Count, 2, (readings / 4) + 2);
            run.Terminate();
            Assert.Equal(0, await run.ExitAsync());
        }

        using RuntimeProcess fewer = RuntimeProcess.Start(
            "run", "--config", Write(broker.Port, version, ", publish: [reading]", "climate"));
        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == Config) == 3);
        JsonElement left = Payload(subscriber, Config).GetProperty("cmps");
        Assert.Equal("{\"p\":\"sensor\"}", left.GetProperty("temperature_in_2_s").GetRawText());
        Assert.Equal("{\"p\":\"binary_sensor\"}", left.GetProperty("temperature_high_limit").GetRawText());
        Assert.True(left.GetProperty("co2").TryGetProperty("stat_t", out _));
        Assert.Empty(HomeAssistantSchema.Check(Descriptions(subscriber).GroupBy(each => each.Topic).Select(each => each.Last())));
    }

    [Fact]
    public async Task A_broker_that_lost_its_memory_is_told_again_how_things_stand()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", Write(broker.Port, "5", "", "climate"));
        await using (Subscriber before = await Subscriber.StartAsync(broker.Port, "#"))
        {
            await before.UntilAsync(
                seen =>
                    seen.Any(item => item.Topic == "edge/house/climate/health")
                        && seen.Count(item => item.Topic == "edge/house/climate/forecast") > 5);
        }

        // This broker keeps nothing on disk.
        await broker.KillAsync();
        await broker.StartAgainAsync();
        await using Subscriber after = await Subscriber.StartAsync(broker.Port, "#");
        await after.UntilAsync(
            seen => new[]
            {
                "edge/house/status",
                "edge/house/info",
                "edge/house/climate/health",
                "edge/house/climate/status",
                "edge/house/climate/anomaly/state",
                DeviceConfig,
                Config,
            }.All(topic => seen.Any(item => item.Topic == topic)));
    }

    // Names that differ only outside a-z and 0-9, names with dashes, a column named like another's forecast.
    [Fact]
    public void No_two_ids_are_equal_whatever_the_names()
    {
        string[] columns = ["верх", "низхх", "Temp °C", "Temp_°C", "temp", "TEMP", "temp_in_10_s", "temp in 10 s"];
        DescribedStream[] streams =
        [
            Stream("a", columns), Stream("a-b", columns), Stream("a_b", columns), Stream("b", ["c"]), Stream("b-c", ["c"]),
        ];
        var descriptions = new List<(string, string)>();
        foreach (string device in new[] { "x", "x-a", "x_a" })
        {
            var home = new HomeAssistant(device, new DiscoveryOptions(), streams, [], hasState: true);
            DiscoveryAnnouncement announcement = home.Announcement;
            descriptions.AddRange(
                announcement.Descriptions.Select(each => (each.Topic, Encoding.UTF8.GetString(each.Write(default).Payload.Span))));
        }

        Assert.Equal(descriptions.Count, descriptions.Select(each => each.Item1).Distinct().Count());
        Assert.Empty(HomeAssistantSchema.Check(descriptions));
        JsonElement all = JsonDocument.Parse(descriptions[1].Item2).RootElement.GetProperty("cmps");
        Assert.Equal((2 * columns.Length) + 4, all.EnumerateObject().Count());
    }

    [Theory]
    [InlineData("degC", "°C", "temperature")]
    [InlineData("°C", "°C", "temperature")]
    [InlineData("°F", "°F", "temperature")]
    [InlineData("K", "K", "temperature")]
    [InlineData("kWh", "kWh", "energy_storage")]
    [InlineData("Pa", "Pa", "pressure")]
    [InlineData("mm", "mm", "distance")]
    [InlineData("m/s", "m/s", "speed")]
    [InlineData("dB", "dB", "sound_pressure")]
    [InlineData("W/m2", "W/m²", "irradiance")]
    [InlineData("furlong", "furlong", null)]
    public void A_unit_is_shown_as_home_assistant_writes_it_with_its_class(string unit, string shown, string? deviceClass) =>
        Assert.Equal((shown, deviceClass), HomeAssistantUnits.Of(unit, "x"));

    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("""{"o":{"name":"someone"},"cmps":{"x":{"p":"sensor"}}}""")]
    [InlineData("""{"o":{"name":"edge-runtime"},"cmps":{"x/../y":{"p":"sensor"},"z":{"p":"lock"},"q":{"p":7}}}""")]
    public void A_retained_description_that_this_program_did_not_write_adds_nothing(string previous)
    {
        var home = new HomeAssistant("d", new DiscoveryOptions(), [Stream("s", ["a"])], [], hasState: false);
        MqttMessage clean = home.Describe(Stream("s", ["a"]), default);
        Assert.Equal(clean.Payload.ToArray(), home.Describe(Stream("s", ["a"]), Encoding.UTF8.GetBytes(previous)).Payload.ToArray());
    }

    private static DescribedStream Stream(string name, string[] columns)
    {
        string List(Func<string, string> each) => $"[{string.Join(',', columns.Select(each))}]";
        ModelManifest manifest = ModelManifest.Parse(Encoding.UTF8.GetBytes(
            $$"""
            {"name":"m","columns":{{List(column => $"\"{column}\"")}},"units":{{List(_ => "\"degC\"")}},"mean":{{List(_ => "0")}},
             "std":{{List(_ => "1")}},"period_seconds":10,"outputs_named":{{List(column => $"\"{column}[t+1]\"")}}}
            """));
        return new DescribedStream { Name = name, Manifest = manifest, Period = TimeSpan.FromSeconds(10) };
    }

    private static IEnumerable<(string Topic, string Payload)> Descriptions(Subscriber subscriber) => subscriber.All
        .Where(seen => seen.Topic.StartsWith("homeassistant/device/", StringComparison.Ordinal) && seen.Payload.Length > 0)
        .Select(seen => (seen.Topic, seen.Payload))
        .GroupBy(each => each.Topic)
        .Select(each => each.Last());

    private string Write(int port, string version, string more, params string[] streams) => _folder.Write(
        "edge.yaml",
        $"device: house\ncommands: [reset, snapshot]\n"
        + $"mqtt: {{ host: 127.0.0.1, port: {port}, version: {version}, discovery: homeassistant }}\nstreams:\n"
        + string.Concat(
            streams.Select(stream => $"  - {{ name: {stream}, model: demo, source: {{ simulated: {{ seed: 3 }} }}{more} }}\n")));

    private static JsonElement Payload(Subscriber subscriber, string topic) =>
        JsonDocument.Parse(subscriber.On(topic)[^1].Payload).RootElement;

    private static string? Text(JsonElement component, string name) => component.GetProperty(name).GetString();
}
