using Edge.Runtime.Configuration;
using Edge.Testing;

namespace Edge.Runtime.Tests;

public sealed class ConfigFileTests
{
    private const string Stream = "\nstreams:\n  - name: s\n    model: demo\n    source: { simulated: { } }\n";

    [Fact]
    public void Everything_that_can_be_said_is_read()
    {
        using var folder = new TemporaryFolder();
        folder.Write("password", "s3cret\n");
        EdgeConfig config = ConfigFile.Parse(
            """
            device: greenhouse
            state: /var/lib/edge-runtime
            mqtt:
              host: broker.local
              client: mosquitto
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
            """.Replace("FOLDER", folder.Path, StringComparison.Ordinal),
            folder.File("edge.yaml"));

        Assert.Equal("greenhouse", config.Device);
        Assert.Equal(8883, config.Mqtt.Port);
        Assert.Equal(MqttClientLibrary.Mosquitto, config.Mqtt.Client);
        Assert.Equal(new TlsConfig("ca.pem", "c.pem", "k.pem"), config.Mqtt.Tls);
        Assert.Equal("s3cret", config.Mqtt.Password);
        Assert.Equal(16L << 20, config.Mqtt.Outbox.SizeMaxBytes);
        Assert.Equal(TimeSpan.FromHours(2), config.Mqtt.Outbox.AgeMax);
        StreamConfig recorded = config.Streams[0];
        Assert.Equal(folder.File("etth1.safetensors"), recorded.Model);
        Assert.Equal(TimeSpan.FromMilliseconds(500), recorded.Period);
        Assert.Equal(7, recorded.HoldTicks);
        Assert.Equal(new ReplayConfig { File = folder.File("ETTh1.csv"), TimeColumn = "date", Speed = new PlaybackSpeed(60), Loop = true }, recorded.Source);
        Assert.Equal(0.8, recorded.Forecast.Interval);
        Assert.Equal(new AnomalyConfig { Sensitivity = Sensitivity.High, MinDurationTicks = 5 }, recorded.Anomaly);
        var simulated = Assert.IsType<SimulatedConfig>(config.Streams[1].Source);
        Assert.True(simulated.Speed.IsMax);
        Assert.Equal(new FaultConfig(TimeSpan.FromSeconds(40), TimeSpan.FromSeconds(10), FaultKind.Spike, "temperature", 5), Assert.Single(simulated.Faults));
    }

    [Fact]
    public void The_documented_sample_is_valid()
    {
        string text = File.ReadAllText(RepositoryFile.Path("docs/configuration.md"));
        int begin = text.IndexOf("```yaml\n", StringComparison.Ordinal) + 8;
        EdgeConfig config = ConfigFile.Parse(text[begin..text.IndexOf("```", begin, StringComparison.Ordinal)], "configuration.md");
        Assert.Equal(["climate", "recorded"], config.Streams.Select(stream => stream.Name));
    }

    [Fact]
    public void The_environment_stands_in_for_variables()
    {
        Environment.SetEnvironmentVariable("EDGE_TEST_DEVICE", "from-env");
        Assert.Equal("from-env", ConfigFile.Parse("device: ${EDGE_TEST_DEVICE}" + Stream, "edge.yaml").Device);
    }

    [Theory]
    [InlineData("device: d\nmqqt: { host: h }" + Stream, "edge.yaml:2:7: unknown key 'mqqt'; did you mean 'mqtt'?")]
    [InlineData("device: d\nmqtt: { host: h, prot: 1 }" + Stream, "edge.yaml:2:24: unknown key 'prot'; did you mean 'port'?")]
    [InlineData("device: d\nzzzzzzz: 1" + Stream, "known here: device, durability, mqtt, state, streams")]
    [InlineData("device: Big House" + Stream, "edge.yaml:1:9: 'device' is 'Big House'; use")]
    [InlineData("mqtt: { host: h }" + Stream, "'device' is missing")]
    [InlineData("device: d\nmqtt: { port: 1883 }" + Stream, "'host' is missing")]
    [InlineData("device: d\nmqtt: { host: h, port: 70000 }" + Stream, "'port' must be a whole number from 1 to 65535, not '70000'")]
    [InlineData("device: d\nmqtt: { host: h, client: paho }" + Stream, "'client' must be one of auto, mqttnet, mosquitto")]
    [InlineData("device: d\nmqtt: { host: h, password: p }" + Stream, "'password' needs a 'username'")]
    [InlineData("device: d\nmqtt: { host: h, username: u, password: { file: /no/such } }" + Stream, "cannot be read from its file")]
    [InlineData("device: d\nmqtt: { host: h, tls: { key: k } }" + Stream, "'certificate' and 'key' go together")]
    [InlineData("device: d\nmqtt: { host: h, outbox: { max_size: 3 } }" + Stream, "must be a size such as")]
    [InlineData("device: d\nmqtt: { host: h, discovery: homeassistant }" + Stream, "not part of this version")]
    [InlineData("device: d\nmqtt: h" + Stream, "'mqtt' must be a group of keys")]
    [InlineData("device: ${NO_SUCH_VARIABLE_HERE}" + Stream, "no variable 'NO_SUCH_VARIABLE_HERE'")]
    [InlineData("device: d\nstreams: []", "at least one stream")]
    [InlineData("device: d\nstreams: { a: b }", "'streams' must be a list")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo }", "'source' is missing")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo, source: { } }", "either replay or simulated")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo, channels: { t: { hwmon: {} } } }", "not part of this version")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo, engine: onnx, source: { simulated: { } } }", "engine onnx is not part of this version")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo, period: 1, source: { simulated: { } } }", "'period' must be a time such as")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo, source: { simulated: { speed: fast } } }", "'speed' must be max or a factor")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo, source: { simulated: { faults: [ { kind: melt, channel: t } ] } } }", "'at' is missing")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo, source: { replay: { file: x, loop: maybe } } }", "'loop' must be true or false")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo, source: { simulated: { } }, forecast: { interval: 2 } }", "'interval' must be a number from 0.5 to 0.999")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }\n  - { name: s, model: demo, source: { simulated: { } } }", "two streams are named 's'")]
    [InlineData("device: [", "this is not YAML")]
    [InlineData("device: d\ndevice: e" + Stream, "this is not YAML")]
    [InlineData("", "one YAML mapping")]
    [InlineData("- 1", "one YAML mapping")]
    public void Each_mistake_is_named_where_it_stands(string yaml, string sentence) =>
        Assert.Contains(sentence, Assert.Throws<InputException>(() => ConfigFile.Parse(yaml, "edge.yaml")).Message, StringComparison.Ordinal);

    [Fact]
    public void All_mistakes_are_reported_at_once_in_the_order_of_the_file()
    {
        string[] lines = Assert.Throws<InputException>(() => ConfigFile.Parse("device: D\nmqtt: { host: h, port: x, foo: 1 }\nstreams:\n  - name: S\n    model: demo\n", "edge.yaml")).Message.Split('\n');
        Assert.Equal(["edge.yaml:1:9", "edge.yaml:2:24", "edge.yaml:2:32", "edge.yaml:4:5", "edge.yaml:4:11"], lines.Select(line => line[..line.IndexOf(": ", StringComparison.Ordinal)]));
    }

    [Theory]
    [InlineData('[')]
    [InlineData('{')]
    [InlineData('-')]
    public void Absurd_depth_is_refused(char bracket) =>
        Assert.Throws<InputException>(() => ConfigFile.Parse("device: " + string.Concat(Enumerable.Repeat(bracket == '-' ? "- " : $"{bracket}", 200_000)), "edge.yaml"));

    [Fact]
    public void Rubbish_is_refused_and_never_crashes()
    {
        const string Valid = "device: d\nmqtt: { host: h, port: 1883, outbox: { max_size: 3MB } }\nstreams:\n  - name: s\n    model: demo\n    source: { simulated: { seed: 7, faults: [ { at: 40s, kind: spike, channel: t } ] } }\n";
        const string Marks = "\n\t :{}[]-&*!|>'\"%@`#,?x0";
        var random = new Random(1);
        for (int i = 0; i < 5_000; i++)
        {
            char[] text = Valid.ToCharArray();
            for (int changes = random.Next(1, 6); changes > 0; changes--)
            {
                text[random.Next(text.Length)] = Marks[random.Next(Marks.Length)];
            }

            try
            {
                ConfigFile.Parse(new string(text), "edge.yaml");
            }
            catch (InputException)
            {
                // The documented refusal.
            }
        }
    }
}
