using System.Text;
using System.Text.Json;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// Live channels in the service as a process: the kernel's drivers, and topics over a real broker that goes away and comes back.
/// </summary>
public sealed class LiveSensorTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Versions => MqttLinkContractTests.Versions;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Kernel_and_mqtt_channels_make_one_stream(string version)
    {
        WriteDevice("bus/iio/devices/iio:device0", ("name", "bme280"), ("in_temp_input", "21530"), ("in_humidityrelative_input", "45120"));
        WriteDevice("class/hwmon/hwmon0", ("name", "cpu_thermal"), ("in0_input", "12000"));
        await using TestBroker broker = await TestBroker.StartAsync();
        string config = _folder.Write("edge.yaml", $$"""
            device: house
            sysfs: .
            mqtt: { host: 127.0.0.1, port: {{broker.Port}}, version: {{version}} }
            streams:
              - name: climate
                model: demo
                period: 100ms
                hold: 2
                channels:
                  temperature: { iio: { device: bme280, channel: temp } }
                  humidity: { iio: { device: bme280, channel: humidityrelative } }
                  light: { hwmon: { chip: cpu_thermal, input: in0 } }
                  co2: { mqtt: { topic: plant/air, path: $.co2 }, max_age: 1s }
            """);
        using RuntimeProcess run = RuntimeProcess.Start("run", "--config", config);
        await using (Subscriber subscriber = await Subscriber.StartAsync(broker.Port))
        await using (IMqttLink sensor = await ConnectAsync(version, broker.Port))
        {
            // Until something came there is nothing to forecast from; then there is, until it is too old.
            await subscriber.UntilAsync(seen => seen.Any(item => Quality(item, "co2") == "missing"));
            Assert.Empty(subscriber.On("edge/house/climate/forecast"));
            await PublishUntilAsync(sensor, () => subscriber.On("edge/house/climate/forecast").Count >= 5);
            JsonElement channels = subscriber.On("edge/house/climate/reading").Select(Channels).First(IsGood);
            Assert.Equal(
                (21.53, 45.12, 12, 600),
                (Value(channels, "temperature"), Value(channels, "humidity"), Value(channels, "light"), Value(channels, "co2")));
            int before = subscriber.All.Count;
            await subscriber.UntilAsync(seen => seen.Skip(before).Any(item => Quality(item, "co2") == "missing"));
        }

        await broker.KillAsync();
        await broker.StartAgainAsync();
        await using Subscriber again = await Subscriber.StartAsync(broker.Port);
        await using IMqttLink back = await ConnectAsync(version, broker.Port);
        await PublishUntilAsync(back, () => again.All.Any(item => Quality(item, "co2") == "good"));
        Assert.Single(
            run.Error.Split('\n'),
            line =>
                line.Contains("Topics over MQTT: ", StringComparison.Ordinal) && line.Contains("Retrying", StringComparison.Ordinal));
        run.Terminate();
        Assert.Equal(0, await run.ExitAsync());
    }

    private static async Task PublishUntilAsync(IMqttLink link, Func<bool> condition)
    {
        for (int i = 0; !condition(); i++)
        {
            Assert.True(i < 400, "It never happened.");
            await link.PublishAsync(
                new MqttMessage { Topic = "plant/air", Payload = Encoding.UTF8.GetBytes("{\"co2\":600}"), Class = MessageClass.Reading });
            await Task.Delay(50);
        }
    }

    private static async Task<IMqttLink> ConnectAsync(string version, int port)
    {
        IMqttLink link = new MqttNetLink(
            new MqttLinkOptions
            {
                Host = "127.0.0.1",
                Port = port,
                ClientId = "a-sensor",
                Version = MqttLinkContractTests.VersionOf(version),
            });
        await link.ConnectAsync(default);
        return link;
    }

    private static JsonElement Channels(Seen seen) => JsonDocument.Parse(seen.Payload).RootElement.GetProperty("channels");

    // On a busy machine the others may have missed the first row with it.
    private static bool IsGood(JsonElement channels) =>
        channels.EnumerateObject().All(channel => !channel.Value.TryGetProperty("quality", out _));

    private static double Value(JsonElement channels, string name) =>
        Math.Round(channels.GetProperty(name).GetProperty("value").GetDouble(), 6);

    private static string Quality(Seen seen, string channel) => !seen.Topic.EndsWith("/reading", StringComparison.Ordinal) ? "no reading"
        : Channels(seen).GetProperty(channel).TryGetProperty("quality", out JsonElement quality) ? quality.GetString()! : "good";

    private void WriteDevice(string path, params (string Name, string Text)[] files)
    {
        Directory.CreateDirectory(_folder.File(path));
        foreach ((string name, string text) in files)
        {
            _folder.Write(Path.Combine(path, name), text + "\n");
        }
    }
}
