using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Sensors;
using Edge.Sensors.Gpio;
using Edge.Sensors.Hwmon;
using Edge.Sensors.I2c;
using Edge.Sensors.Iio;
using Edge.Sensors.Polling;
using Edge.Sensors.Replay;
using Edge.Sensors.Simulated;
using Edge.Sensors.Timing;
using Edge.Streams.Detection;
using Edge.Streams.Forecasting;
using Edge.Testing;

namespace Edge.Runtime.Tests;

public sealed partial class ConfigFileTests
{
    private const string Channel = "device: d\nstreams:\n  - { name: s, model: demo, channels: { t: ";

    private const string Stream = "\nstreams:\n  - name: s\n    model: demo\n    source: { simulated: { } }\n";

    // Versions before chose between two clients; any of their values goes on for one version.
    [Theory]
    [InlineData("auto")]
    [InlineData("mosquitto")]
    [InlineData("paho")]
    public void An_mqtt_client_of_versions_before_is_ignored_with_one_sentence(string client)
    {
        EdgeConfig config = ConfigFile.Parse($"device: d\nmqtt: {{ host: h, client: {client} }}{Stream}", "edge.yaml");
        Assert.Equal(["mqtt.client is no longer needed and is ignored: MQTTnet is the only client. Remove the line."], config.Warnings);
    }

    [Theory]
    [InlineData("", true, true, false)]
    [InlineData("    publish: []\n", false, false, false)]
    [InlineData("    publish: [score]\n", false, false, true)]
    [InlineData("    publish: [reading, forecast, score]\n", true, true, true)]
    public void A_stream_publishes_what_it_is_told_and_scores_only_then(string line, bool readings, bool forecasts, bool scores)
    {
        EdgeConfig config = ConfigFile.Parse($"device: d{Stream}{line}", "edge.yaml");
        Assert.Equal(
            new PublishOptions { Readings = readings, Forecasts = forecasts, Scores = scores }, config.Streams[0].Publish);
        string[] topics = [.. DeviceTopics.Published(config)];
        Assert.Equal(
            (readings, forecasts, scores),
            (topics.Contains("edge/d/s/reading"), topics.Contains("edge/d/s/forecast"), topics.Contains("edge/d/s/score")));
    }

    [Fact]
    public void Everything_that_can_be_said_is_read()
    {
        using var folder = new TemporaryFolder();
        folder.Write("password", "s3cret\n");
        EdgeConfig config = ConfigFile.Parse(
            """
            device: greenhouse
            state: /var/lib/edge-runtime
            history: { max_size: 32MB, max_age: 7d }
            mqtt:
              host: broker.local
              version: 3.1.1
              tls: { ca: ca.pem, certificate: c.pem, key: k.pem }
              username: greenhouse
              password: { file: FOLDER/password }
              discovery: none
              outbox: { max_size: 16MB, max_age: 2h }
            streams:
              - name: recorded
                model: etth1.safetensors
                engine: int8
                period: 500ms
                hold: 7
                source:
                  replay: { file: ETTh1.csv, time_column: date, speed: 60x, loop: true }
                forecast: { interval: 0.8 }
                anomaly: { sensitivity: high, min_duration: 5 }
              - name: rig
                model: demo
                source:
                  simulated: { seed: 7, speed: max, faults: [ { at: 40s, kind: spike, channel: temperature, magnitude: 5 } ] }
              - name: press
                model: demo
                source:
                  mqtt: { topic: plant/press, time: $.ts, values: { temperature: $.oil.degC }, session: 12h }
            """.Replace("FOLDER", folder.Path, StringComparison.Ordinal),
            folder.File("edge.yaml"));

        Assert.Equal("greenhouse", config.Device);
        Assert.Equal(8883, config.Mqtt.Port);
        Assert.Empty(config.Warnings);
        Assert.Equal(MqttVersion.ThreeOneOne, config.Mqtt.Version);
        Assert.Equal(new TlsOptions("ca.pem", "c.pem", "k.pem"), config.Mqtt.Tls);
        Assert.Equal("s3cret", config.Mqtt.Password);
        Assert.Equal(16L << 20, config.Outbox.SizeMaxBytes);
        Assert.Equal((32L << 20, TimeSpan.FromDays(7)), (config.History.SizeMaxBytes, config.History.AgeMax));
        Assert.Equal(TimeSpan.FromHours(2), config.Outbox.AgeMax);
        StreamConfig recorded = config.Streams[0];
        Assert.Equal(folder.File("etth1.safetensors"), recorded.Model);
        Assert.Equal(TimeSpan.FromMilliseconds(500), recorded.Period);
        Assert.Equal(7, recorded.HoldTicks);
        var replay = Assert.IsType<ReplayOptions>(recorded.Source);
        Assert.Equal(["date"], replay.TimeColumns);
        Assert.Equal(
            (folder.File("ETTh1.csv"), new PlaybackSpeed(60), true, RowOrder.OldestFirst),
            (replay.File, replay.Speed, replay.Loop, replay.Order));
        Assert.Equal(0.8, recorded.Forecast.Interval);
        Assert.Equal(new AnomalyOptions { FalseAlarmsAWeek = 1, MinDurationTicks = 5 }, recorded.Anomaly);
        var rows = Assert.IsType<MqttRowOptions>(config.Streams[2].Source);
        Assert.Equal(("plant/press", "press", "$.ts", TimeSpan.FromHours(12)), (rows.Topic, rows.Stream, rows.TimePath, rows.Session));
        Assert.Equal([new("temperature", "$.oil.degC")], rows.Values);
        var simulated = Assert.IsType<SimulatedOptions>(config.Streams[1].Source);
        Assert.True(simulated.Speed.IsMax);
        Assert.Equal(
            new FaultOptions(TimeSpan.FromSeconds(40), TimeSpan.FromSeconds(10), FaultKind.Spike, "temperature", 5),
            Assert.Single(simulated.Faults));
    }

    [Fact]
    public void The_documented_sample_is_valid()
    {
        string text = File.ReadAllText(RepositoryFile.Path("docs/configuration.md"));
        int begin = text.IndexOf("```yaml\n", StringComparison.Ordinal) + 8;
        EdgeConfig config = ConfigFile.Parse(text[begin..text.IndexOf("```", begin, StringComparison.Ordinal)], "configuration.md");
        Assert.Equal(["climate", "recorded", "press", "boiler"], config.Streams.Select(stream => stream.Name));
    }

    [Fact]
    public void Live_channels_are_read_whole()
    {
        EdgeConfig config = ConfigFile.Parse(
            """
            device: d
            streams:
              - name: s
                model: demo
                tick: { gpio: { chip: 0, pin: 4, edge: falling } }
                channels:
                  a:
                    i2c: { bus: 1, address: 0x48, driver: ads1115, read: a0, gain: 2.048, multiplexer: { address: 0x70, channel: 3 } }
                    scale: 10
                    offset: -1
                    aggregate: mean
                    every: 100ms
                  b: { iio: { device: bme280, channel: pressure, at: 1-0076 }, min: 300, max: 1100, stuck: 600 }
                  c: { hwmon: { chip: cpu_thermal, input: temp1 } }
                  d: { mqtt: { topic: plant/load, path: $.kw, time: $.ts }, max_age: 30s }
                  e: { gpio: { pin: 17, pull: up } }
                anomaly: { alarm_pin: 27 }
            """,
            "edge.yaml");
        var channels = Assert.IsType<ChannelsOptions>(config.Streams[0].Source);
        Assert.Equal(new DataReadyOptions(0, 4, LineEdge.Falling), channels.Tick);
        Assert.Equal(27, config.Streams[0].AlarmPin);
        Assert.Equal(
            [
                new ChannelOptions
                {
                    Column = "a",
                    Device = new I2cDeviceOptions(1, 0x48, "ads1115", 0x70, 3, DriverOptions.None with { Gain = 2.048 }),
                    Read = "a0",
                    Scale = 10,
                    Offset = -1,
                    Aggregate = Aggregate.Mean,
                    Every = TimeSpan.FromMilliseconds(100),
                },
                new ChannelOptions
                {
                    Column = "b",
                    Device = new IioDeviceOptions("bme280", "1-0076"),
                    Read = "pressure",
                    Range = new ValueRange(300, 1100),
                    StuckTicks = 600,
                },
                new ChannelOptions { Column = "c", Device = new HwmonDeviceOptions("cpu_thermal", null), Read = "temp1" },
                new ChannelOptions
                {
                    Column = "d",
                    Device = new MqttTopicOptions("plant/load", "$.ts"),
                    Read = "$.kw",
                    AgeMax = TimeSpan.FromSeconds(30),
                },
                new ChannelOptions { Column = "e", Device = new GpioInputOptions(null, 17, Pull.Up), Read = "value" },
            ],
            channels.Channels);
    }

    [Theory]
    [InlineData(
        "device: d\nmqtt: { hots: h }" + Stream,
        "edge.yaml:2:9: unknown key 'hots'; did you mean 'host'?")]
    [InlineData(
        "device: d\nmqtt: { host: h }\nstreams:\n  - name: s\n    model: demo\n    sauce: { simulated: {} }\n",
        "edge.yaml:6:5: unknown key 'sauce'; did you mean 'source'?")]
    [InlineData(
        "device: d\nmqtt: { host: h }\nstreams:\n  - name: s\n    model: demo\n    channels: { t: { i3c: { bus: 1 } } }\n",
        "edge.yaml:6:22: unknown key 'i3c'; did you mean 'i2c'?")]
    public void A_misspelled_key_is_one_mistake_at_its_own_place(string yaml, string sentence) =>
        Assert.Equal(sentence, Assert.Throws<InputException>(() => ConfigFile.Parse(yaml, "edge.yaml")).Message);

    [Fact]
    public void The_environment_stands_in_for_variables()
    {
        Environment.SetEnvironmentVariable("EDGE_TEST_DEVICE", "from-env");
        Assert.Equal("from-env", ConfigFile.Parse("device: ${EDGE_TEST_DEVICE}" + Stream, "edge.yaml").Device);
    }
}
