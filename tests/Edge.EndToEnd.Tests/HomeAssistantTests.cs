using System.Text;
using System.Text.Json;
using Edge.Runtime.Mqtt;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>What Home Assistant finds on a real broker.</summary>
public sealed class HomeAssistantTests : IDisposable
{
    private const string Config = "homeassistant/device/house/config";
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Versions => MqttLinkContractTests.Versions;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Every_channel_horizon_and_anomaly_is_described_again_at_birth_and_taken_back_when_gone(string version)
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        await using Subscriber subscriber = await Subscriber.StartAsync(broker.Port, "#");
        using (RuntimeProcess run = RuntimeProcess.Start("run", "--config", Write(broker.Port, version, "climate", "second")))
        {
            await subscriber.UntilAsync(
                seen => seen.Any(item => item.Topic == Config) && seen.Any(item => item.Topic == "edge/house/second/forecast"));
            JsonElement described = Payload(subscriber);
            Assert.Equal("edge_house", described.GetProperty("dev").GetProperty("ids").GetString());
            Assert.Equal("edge/house/status", described.GetProperty("avty_t").GetString());
            JsonElement components = described.GetProperty("cmps");

            // Two streams of four channels, three horizons each for every channel, and an anomaly.
            Assert.Equal(2 * (4 + (4 * 3) + 1), components.EnumerateObject().Count());
            JsonElement ahead = components.GetProperty("climate_temperature_2_s");
            Assert.Equal(
                (
                    "sensor",
                    "edge_house_climate_temperature_2_s",
                    "edge/house/climate/forecast",
                    "{{ value_json.channels['temperature'].value[1] }}",
                    "°C",
                    "temperature",
                    "measurement"),
                (
                    Text(ahead, "p"),
                    Text(ahead, "uniq_id"),
                    Text(ahead, "stat_t"),
                    Text(ahead, "val_tpl"),
                    Text(ahead, "unit_of_meas"),
                    Text(ahead, "dev_cla"),
                    Text(ahead, "stat_cla")));
            JsonElement anomaly = components.GetProperty("climate_anomaly");
            Assert.Equal(
                ("binary_sensor", "problem", "edge/house/climate/anomaly/state"),
                (Text(anomaly, "p"), Text(anomaly, "dev_cla"), Text(anomaly, "stat_t")));

            // The template finds its value in a real forecast.
            JsonElement forecast = JsonDocument.Parse(subscriber.On("edge/house/climate/forecast")[0].Payload).RootElement;
            Assert.Equal(2, forecast.GetProperty("horizon_seconds")[1].GetDouble());
            Assert.Equal(
                JsonValueKind.Number,
                forecast.GetProperty("channels").GetProperty("temperature").GetProperty("value")[1].ValueKind);

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
            run.Terminate();
            Assert.Equal(0, await run.ExitAsync());
        }

        using RuntimeProcess fewer = RuntimeProcess.Start("run", "--config", Write(broker.Port, version, "climate"));
        await subscriber.UntilAsync(seen => seen.Count(item => item.Topic == Config) == 3);
        JsonElement left = Payload(subscriber).GetProperty("cmps");
        Assert.Equal("{\"p\":\"sensor\"}", left.GetProperty("second_co2_5_s").GetRawText());
        Assert.Equal("{\"p\":\"binary_sensor\"}", left.GetProperty("second_anomaly").GetRawText());
        Assert.True(left.GetProperty("climate_co2_5_s").TryGetProperty("stat_t", out _));
    }

    [Fact]
    public async Task A_broker_that_lost_its_memory_is_told_again_how_things_stand()
    {
        await using TestBroker broker = await TestBroker.StartAsync();
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", Write(broker.Port, "5", "climate"));
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
                "edge/house/climate/anomaly/state",
                Config,
            }.All(topic => seen.Any(item => item.Topic == topic)));
    }

    private string Write(int port, string version, params string[] streams) => _folder.Write(
        "edge.yaml",
        $"device: house\nmqtt: {{ host: 127.0.0.1, port: {port}, version: {version}, discovery: homeassistant }}\nstreams:\n"
        + string.Concat(streams.Select(stream => $"  - {{ name: {stream}, model: demo, source: {{ simulated: {{ seed: 3 }} }} }}\n")));

    private static JsonElement Payload(Subscriber subscriber) => JsonDocument.Parse(subscriber.On(Config)[^1].Payload).RootElement;

    private static string? Text(JsonElement component, string name) => component.GetProperty(name).GetString();
}
