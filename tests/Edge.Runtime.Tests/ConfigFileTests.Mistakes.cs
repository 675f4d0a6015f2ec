using Edge.Inference;
using Edge.Runtime.Configuration;

namespace Edge.Runtime.Tests;

/// <summary>What is wrong in edge.yaml, and where.</summary>
public sealed partial class ConfigFileTests
{
    [Theory]
    [InlineData("device: d\nmqqt: { host: h }" + Stream, "edge.yaml:2:1: unknown key 'mqqt'; did you mean 'mqtt'?")]
    [InlineData("device: d\nmqtt: { host: h, prot: 1 }" + Stream, "edge.yaml:2:18: unknown key 'prot'; did you mean 'port'?")]
    [InlineData(
        "device: d\nzzzzzzz: 1" + Stream,
        "known keys: commands, device, durability, history, models, mqtt, onnxruntime, state, streams, sysfs, telemetry")]
    [InlineData("device: Big House" + Stream, "edge.yaml:1:9: 'device' is 'Big House'; use")]
    [InlineData("mqtt: { host: h }" + Stream, "'device' is missing")]
    [InlineData("device: d\nmqtt: { port: 1883 }" + Stream, "'host' is missing")]
    [InlineData("device: d\nmqtt: { host: h, port: 70000 }" + Stream, "'port' must be a whole number from 1 to 65535, not '70000'")]
    [InlineData("device: d\nmqtt: { host: h, version: 4 }" + Stream, "'version' must be 5 or 3.1.1, not '4'")]
    [InlineData("device: d\nmqtt: { host: h, password: p }" + Stream, "'password' needs a 'username'")]
    [InlineData("device: d\nmqtt: { host: h, username: u, password: { file: /no/such } }" + Stream, "cannot be read from its file")]
    [InlineData(
        "device: d\nmqtt: { host: h, username: u, password: p }" + Stream,
        "the password would be sent to h unencrypted: configure 'tls', or set 'plaintext_password: allowed'")]
    [InlineData(
        "device: d\nmqtt: { host: h, username: u, password: p, plaintext_password: yes }" + Stream,
        "'plaintext_password' must be 'allowed'")]
    [InlineData("device: d\nmqtt: { host: h, tls: { key: k } }" + Stream, "'certificate' and 'key' must be given together")]
    [InlineData("device: d\nmqtt: { host: h, outbox: { max_size: 3 } }" + Stream, "must be a size such as")]
    [InlineData(
        "device: d\nmqtt: { host: h, discovery: openhab }" + Stream,
        "'discovery' must be one of none, homeassistant, not 'openhab'")]
    [InlineData("device: d\nhistory: { max_age: 7d }\nmqtt: { host: h }" + Stream, ":2:10: 'history' needs 'state'")]
    [InlineData("device: d\nstate: s\nhistory: { max_size: 512KB }\nmqtt: { host: h }" + Stream, ":3:22: 'max_size' must be at least 1MB")]
    [InlineData("device: d\nstate: s\nhistory: { max_size: big }\nmqtt: { host: h }" + Stream, "must be a size such as")]
    [InlineData("device: d\nstate: s\nhistory: { max_age: 5m }\nmqtt: { host: h }" + Stream, "'max_age' must be from 1h to 3660d")]
    [InlineData("device: d\nstate: s\nhistory: { size: 1MB }\nmqtt: { host: h }" + Stream, "'size'")]
    [InlineData("device: d\nmqtt: h" + Stream, "'mqtt' must be a group of keys")]
    [InlineData("device: ${NO_SUCH_VARIABLE_HERE}" + Stream, "no variable 'NO_SUCH_VARIABLE_HERE'")]
    [InlineData("device: d\nstreams: []", "at least one stream")]
    [InlineData("device: d\nstreams: { a: b }", "'streams' must be a list")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo }", "'channels' is missing")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, source: { mqtt: { topic: a/#, time: ts, values: { x: 3 }, session: 0s } } }",
        "without wildcards")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo, source: { mqtt: { time: ts } } }", "'time' must name one value")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, source: { mqtt: { topic: t, values: { x: 3 } } } }",
        "'x' must name one value")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, source: { mqtt: { topic: t, session: 500ms } } }",
        "'session' must be from 1s to 366d")]
    [InlineData("device: d\nstreams:\n  - { name: s, model: demo, source: { } }", "one of mqtt, replay, simulated")]
    [InlineData(Channel + "{ hwmon: {} } } }", "'chip' is missing (the text of its name file)")]
    [InlineData(Channel + "{ hwmon: { chip: c, input: ../../etc } } } }", "'input' is '../../etc'; use letters, digits, _ and -")]
    [InlineData(Channel + "{ } } }", "channel 't' must have one source, one of i2c, iio, hwmon, mqtt, gpio")]
    [InlineData(Channel + "{ hwmon: { chip: c, input: temp1 }, gpio: { pin: 4 } } } }", "channel 't' must have one source")]
    [InlineData(
        Channel + "{ i2c: { bus: 1, address: 0x78, driver: lm75, read: temperature } } } }",
        "'address' must be from 0x03 to 0x77, not '0x78'")]
    [InlineData(Channel + "{ i2c: { address: 72, driver: lm75, read: temperature } } } }", "'bus' is missing (1 is /dev/i2c-1)")]
    [InlineData(
        Channel + "{ i2c: { bus: 1, address: 72, driver: lm75, read: temperature, multiplexer: { address: 0x70 } } } } }",
        "'channel' is missing (0 to 7)")]
    [InlineData(
        Channel + "{ i2c: { bus: 1, address: 72, driver: lm75, read: temperature, gian: 2 } } } }",
        "unknown key 'gian'; did you mean 'gain'?")]
    [InlineData(Channel + "{ mqtt: { topic: a/+ } } } }", "without wildcards")]
    [InlineData(Channel + "{ mqtt: { topic: a, path: kw } } } }", "'path' must name one value")]
    [InlineData(Channel + "{ mqtt: { topic: a }, every: 1s } } }", "'every' is for polled sources")]
    [InlineData(Channel + "{ hwmon: { chip: c, input: temp1 }, max_age: 1s } } }", "'max_age' is for mqtt")]
    [InlineData(Channel + "{ hwmon: { chip: c, input: temp1 }, min: 5, max: 5 } } }", "'max' must be greater than 'min'")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, tick: { gpio: { } }, channels: { } }",
        "'pin' is missing (the data-ready line's number)")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, tick: { gpio: { pin: 4 } }, source: { simulated: { } } }",
        "'tick' needs 'channels'")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, channels: { }, source: { simulated: { } } }",
        "give either 'channels' or 'source', not both")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, engine: tflite, source: { simulated: { } } }",
        "'engine' must be one of int8, onnx, not 'tflite'")]
    [InlineData(
        "device: d\nonnxruntime: { providers: [rocm] }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "'providers' must be a list of some of tensorrt, cuda, cpu, each once")]
    [InlineData(
        "device: d\nonnxruntime: { providers: [cpu, cpu] }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "each once")]
    [InlineData(
        "device: d\ncommands: [shell]\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "'commands' must be a list of some of reset, snapshot, silence, sensitivity, reload, update, rollback, accept, label, each once")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, period: 1s, source: { simulated: { } }, learn: { } }",
        "'learn' needs 'state'")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, source: { simulated: { } }, learn: { } }",
        "'learn' needs 'period'")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, period: 1s, source: { replay: { file: x } }, learn: { } }",
        "'columns' is missing (what this source measures")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, period: 1s, columns: [a, b, 'a:V'], source: { replay: { file: x } }, learn: { } }",
        "'columns' has 'a' twice")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, columns: [a], source: { simulated: { } } }",
        "'columns' is for a stream that learns its model")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, period: 1s, model: demo, source: { simulated: { } }, learn: { } }",
        "'learn' is not for a stream with 'engine: onnx', 'model: demo'")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, period: 1s, model: m.onnx, source: { simulated: { } }, learn: { } }",
        "'learn' is not for a stream with 'engine: onnx'")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, period: 1m, source: { simulated: { } }, learn: { horizons: [10s] } }",
        "'horizons' must be times such as [1m, 10m, 1h], of 1 to 100000 periods, not '10s'")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, period: 1m, source: { simulated: { } }, learn: { at: '25:00' } }",
        "'at' must be a time of day such as \"03:00\", not '25:00'")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, period: 1m, source: { simulated: { } }, learn: { cell: transformer } }",
        "'cell' must be one of auto, lstm, gru, rnn, not 'transformer'")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, period: 1m, source: { simulated: { } }, learn: { memory: 10MB } }",
        "'memory' must be at least 100MB")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, period: 1m, source: { simulated: { } }, learn: { evry: 1d } }",
        "unknown key 'evry'; did you mean 'every'?")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, model: m, period: 1m, source: { simulated: { } }, learn: { horizons: [1m] } }",
        "'horizons' is for a stream without a model")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, period: 1m, source: { simulated: { } }, learn: { what: profile } }",
        "'what: profile' needs 'model', which keeps its weights: name it, or remove 'what' to learn a model")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, model: m, source: { simulated: { } }, learn: { what: profile, budget: 1m } }",
        "'budget' is for training a model, and 'what: profile' trains none: remove it")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, model: m, source: { simulated: { } }, learn: { what: profile, cell: gru } }",
        "'cell' is for training a model")]
    [InlineData(
        "device: d\nstate: s\nstreams:\n  - { name: s, model: m.onnx, source: { simulated: { } }, learn: { what: profile } }",
        "or 'forecast.horizon': make the profile with edge-quantize profile, from rows of edge-runtime export")]
    [InlineData(
        "device: d\nmodels: { incoming: in, unsigned: allowed }\nstreams:\n"
            + "  - { name: s, model: in/s.safetensors, source: { simulated: { } } }",
        "edge.yaml:4:23: 'models.incoming' would take ")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, source: { simulated: { }, mqtt: { topic: t } } }",
        "edge.yaml:3:37: 'source' must have exactly one of ")]
    [InlineData(
        "device: d\nmodels: { canary: 100 }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "set 'trusted_key'")]
    [InlineData(
        "device: d\nmodels: { trusted_key: k, unsigned: allowed }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "set 'trusted_key'")]
    [InlineData(
        "device: d\nweb: { listen: '0.0.0.0:8080' }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "edge.yaml:2:16: 'listen' would open the page to other machines without a password")]
    [InlineData(
        "device: d\nweb: { listen: '[::]:8080' }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "without a password")]
    [InlineData(
        "device: d\nweb: { listen: '8080' }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "'listen' must be an address and a port such as 127.0.0.1:8080")]
    [InlineData(
        "device: d\nweb: { password: short }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "'password' must have at least 8 characters")]
    [InlineData(
        "device: d\nweb: { certificate: a.pem }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "'certificate' and 'key' must be given together")]
    [InlineData(
        "device: d\nweb: { pasword: tomatoes }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "unknown key 'pasword'; did you mean 'password'?")]
    [InlineData("device: d\ntelemetry: { port: 99999 }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }", "'port'")]
    [InlineData(
        "device: d\ntelemetry: { otlp: 'ftp://x' }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "'otlp' must be the address of a collector")]
    [InlineData(
        "device: d\ntelemetry: { every: 2h }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "'every' must be from 1s to 1h, not '2h'")]
    [InlineData("device: d\nonnxruntime: { threads: 0 }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }", "'threads'")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, period: 1, source: { simulated: { } } }",
        "'period' must be a time such as")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, period: 0s, source: { simulated: { } } }",
        ":3:37: 'period' must be from 1ms to 366d, not '0s'.")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, anomaly: { adapt: 4000d }, source: { simulated: { } } }",
        "'adapt' must be from 1ms to 3660d, not '4000d'.")]
    [InlineData(
        "device: d\nstate: s\nhistory: { max_age: 3661d }\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }",
        "'max_age' must be from 1h to 3660d, not '3661d'.")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, source: { simulated: { speed: fast } } }",
        "'speed' must be max or a factor")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, source: { simulated: { faults: [ { kind: melt, channel: t } ] } } }",
        "'at' is missing")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, source: { replay: { file: x, loop: maybe } } }",
        "'loop' must be true or false")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, source: { simulated: { } }, forecast: { interval: 2 } }",
        "'interval' must be a number from 0.5 to 0.999")]
    [InlineData(
        "device: d\nstreams:\n  - { name: s, model: demo, source: { simulated: { } } }\n  - { name: s, model: demo, source: { simulated: "
            + "{ } } }",
        ":4:13: two streams are named 's'; rename one")]
    [InlineData("device: [", "this is not YAML")]
    [InlineData("device: d\nstreams:\n  - name: s\n\tmodel: demo\n", "Indent with spaces, not with tabs.")]
    [InlineData("device: d\nstreams:\n  - name:s\n    model: demo\n", "Write a space behind the colon of each key.")]
    [InlineData("device: d\ndevice: e" + Stream, "this is not YAML")]
    [InlineData("", "one YAML mapping")]
    [InlineData("- 1", "one YAML mapping")]
    public void Each_mistake_is_named_where_it_stands(string yaml, string sentence) =>
        Assert.Contains(
            sentence,
            Assert.Throws<InputException>(() => ConfigFile.Parse(yaml, "edge.yaml")).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData(256, false)]
    [InlineData(257, true)]
    public void A_stream_learns_from_at_most_256_columns(int columns, bool isRefused)
    {
        string yaml = $"device: d\nstate: s\nstreams:\n  - {{ name: s, period: 1s, source: {{ replay: {{ file: x }} }}, learn: {{ }}, "
            + $"columns: [{string.Join(", ", Enumerable.Range(0, columns).Select(i => $"c{i}"))}] }}";
        if (!isRefused)
        {
            Assert.Equal(columns, ConfigFile.Parse(yaml, "edge.yaml").Streams[0].Learn!.Columns.Count);
            return;
        }

        string message = Assert.Throws<InputException>(() => ConfigFile.Parse(yaml, "edge.yaml")).Message;
        Assert.Single(message.Split('\n'));
        Assert.Contains("'learn' is for at most 256 columns, and these are 257", message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_mistakes_are_reported_at_once_in_the_order_of_the_file()
    {
        string[] lines = Assert.Throws<InputException>(
            () =>
                ConfigFile.Parse(
                    "device: D\nmqtt: { host: h, port: x, foo: 1 }\nstreams:\n  - name: S\n    model: demo\n",
                    "edge.yaml")).Message.Split('\n');
        Assert.Equal(
            ["edge.yaml:1:9", "edge.yaml:2:24", "edge.yaml:2:27", "edge.yaml:4:5", "edge.yaml:4:11"],
            lines.Select(line => line[..line.IndexOf(": ", StringComparison.Ordinal)]));
    }

    [Theory]
    [InlineData('[')]
    [InlineData('{')]
    [InlineData('-')]
    public void Absurd_depth_is_refused(char bracket) =>
        Assert.Throws<InputException>(
            () =>
                ConfigFile.Parse(
                    "device: " + string.Concat(Enumerable.Repeat(bracket == '-' ? "- " : $"{bracket}", 200_000)),
                    "edge.yaml"));

    [Fact]
    public void Rubbish_is_refused_and_never_crashes()
    {
        const string Valid =
            "device: d\nmqtt: { host: h, port: 1883, outbox: { max_size: 3MB } }\nstreams:\n  - name: s\n    model: demo\n    source: "
                + "{ simulated: { seed: 7, faults: [ { at: 40s, kind: spike, channel: t } ] } }\n";
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
