using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Edge.Runtime.Hosting;
using Edge.Runtime.Mqtt;
using Edge.Runtime.Payloads;
using Edge.Sensors;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>
/// Every fault against every kind of source that can have it: the quality in the reading, one line in the log however long it
/// lasts, the entry in the health topic, and one line when it is over.
/// </summary>
public sealed class FaultMatrixTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, ScriptedDevice> _scripted = [];

    private static string I2c(string channel) => $"i2c: {{ bus: 1, address: 0x10, driver: {channel}, read: x }}";

    private static string Topic(string column) => $"mqtt: {{ topic: plant/{column[..1]} }}, max_age: 1s, max: 500, stuck: 4";

    public static TheoryData<string, string, string, string> Faults => new()
    {
        { "iio", "unplugged", "missing", "does not answer: " },
        { "iio", "no number", "missing", "which is not a number" },
        { "iio", "outside", "out_of_range", "the value is above 'max', which is 500: '900'" },
        { "iio", "stuck", "stuck", "it returns the same value at every tick" },
        { "iio", "hangs", "missing", "no value from " },
        { "hwmon", "unplugged", "missing", "does not answer: " },
        { "hwmon", "no number", "missing", "which is not a number" },
        { "hwmon", "reports a fault", "invalid", "the value is not a valid number" },
        { "hwmon", "outside", "out_of_range", "the value is above 'max', which is 500: '900'" },
        { "hwmon", "stuck", "stuck", "it returns the same value at every tick" },
        { "hwmon", "hangs", "missing", "no value from " },
        { "device", "fails", "missing", "does not answer: NACK" },
        { "device", "not valid", "invalid", "the value is not a valid number" },
        { "device", "not yet", "missing", "has no measurement yet" },
        { "device", "outside", "out_of_range", "the value is above 85, the sensor's limit: '900'" },
        { "device", "stuck", "stuck", "it returns the same value at every tick" },
        { "device", "hangs", "missing", "no value from " },
        { "mqtt", "silence", "missing", "no value from MQTT topic 'plant/t'" },
        { "mqtt", "no number", "missing", "a message came that is neither a number nor JSON" },
        { "mqtt", "not valid", "invalid", "the value is not a valid number" },
        { "mqtt", "outside", "out_of_range", "the value is above 'max', which is 500: '900'" },
        { "mqtt", "stuck", "stuck", "it returns the same value at every tick" },
        { "replay", "empty", "missing", "has no value" },
        { "replay", "not valid", "invalid", "has a value that is not a finite number" },
        { "simulated", "dropout", "missing", "has no value" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_fault_is_flagged_said_once_shown_in_health_and_over_when_it_is_over(
        string kind,
        string fault,
        string quality,
        string reason)
    {
        (StreamRig made, Action<bool> apply, Action beforeTick) = Make(kind, fault);
        using StreamRig rig = made;
        await TicksAsync(rig, 8, beforeTick);
        Assert.Equal("good", rig.Quality("temperature"));

        apply(true);
        await TicksAsync(rig, kind is "replay" or "simulated" ? 12 : 15, beforeTick);
        Assert.Equal(quality, rig.Quality("temperature"));
        Assert.Equal("good", rig.Quality("humidity"));
        string line = Assert.Single(
            rig.Log,
            entry => entry.StartsWith("Warning", StringComparison.Ordinal) && entry.Contains("'temperature'", StringComparison.Ordinal));
        Assert.Contains(reason, line, StringComparison.Ordinal);
        JsonElement health = rig.Last("health").GetProperty("sensors");
        Assert.Equal(quality, health.GetProperty("temperature").GetProperty("quality").GetString());
        Assert.Equal("good", health.GetProperty("humidity").GetProperty("quality").GetString());
        if (kind is not ("replay" or "simulated"))
        {
            // Once the time limit has passed, health has the better reason.
            string shown = fault == "hangs" ? "did not answer within" : reason;
            Assert.Contains(shown, health.GetProperty("temperature").GetProperty("fault").GetString(), StringComparison.Ordinal);
        }

        apply(false);
        await TicksAsync(rig, 30, beforeTick);
        Assert.Equal("good", rig.Quality("temperature"));
        Assert.Single(
            rig.Log,
            entry =>
                entry.StartsWith("Information", StringComparison.Ordinal)
                    && entry.Contains("'temperature' has a value again", StringComparison.Ordinal));
        Assert.Equal("good", rig.Last("health").GetProperty("sensors").GetProperty("temperature").GetProperty("quality").GetString());
    }

    // The messages of this topic count as current for five ticks, and every third tick has one.
    [Fact]
    public async Task A_value_outside_the_limits_counts_as_long_as_a_good_one_and_names_its_limit()
    {
        (StreamRig made, Action<bool> apply, Action send) = Make("mqtt", "outside");
        using StreamRig rig = made;
        int tick = 0;
        Action seldom = () => (tick++ % 3 == 0 ? send : () => { })();
        await TicksAsync(rig, 9, seldom);
        Assert.Equal("good", rig.Quality("temperature"));

        apply(true);
        for (int i = 0; i < 20; i++)
        {
            await TicksAsync(rig, 1, seldom);
            Assert.Equal("out_of_range", rig.Quality("temperature"));
        }

        string line = Assert.Single(rig.Log, entry => entry.Contains("'temperature'", StringComparison.Ordinal));
        Assert.Contains("the value is above 'max', which is 500: '900'", line, StringComparison.Ordinal);

        apply(false);
        await TicksAsync(rig, 3, seldom);
        Assert.Equal("good", rig.Quality("temperature"));
    }

    [Fact]
    public async Task Of_a_channel_that_never_had_a_value_none_is_promised()
    {
        (StreamRig made, Action<bool> apply, Action _) = Make("device", "not yet");
        using StreamRig rig = made;
        foreach (string said in new[] { "it had none before, so the stream waits", "its last good value is used for a while" })
        {
            apply(true);
            await rig.TicksAsync(5);
            string last = rig.Log.Last(entry => entry.Contains("'temperature'", StringComparison.Ordinal));
            Assert.Contains(said, last, StringComparison.Ordinal);
            apply(false);
            await rig.TicksAsync(10);
        }
    }

    [Fact]
    public async Task A_sensor_that_comes_and_goes_does_not_fill_the_log()
    {
        (StreamRig made, Action<bool> apply, Action _) = Make("device", "not yet");
        using StreamRig rig = made;
        for (int i = 0; i < 150; i++)
        {
            apply(i % 5 < 1);
            await rig.TicksAsync(1);
        }

        Assert.InRange(rig.Log.Count(entry => entry.Contains("'temperature'", StringComparison.Ordinal)), 2, 6);
    }

    [Fact]
    public async Task Channels_of_one_device_fail_in_one_line()
    {
        const string Device = "{ iio: { device: bme280, channel: ";
        WriteIio("temp", "20000");
        WriteIio("humidityrelative", "50000");
        WriteIio("voltage0", "5000");
        WriteIio("voltage1", "5000");
        using var rig = new StreamRig(
            $"channels: {{ temperature: {Device}temp }} }}, humidity: {Device}humidityrelative }} }}, light: {Device}voltage0 }} }}, co2: "
                + $"{Device}voltage1 }} }} }}",
            (edge, clock, log) => new Sources(edge, new Devices(_folder.Path), clock, log, system: Calm));
        await rig.TicksAsync(3);
        Directory.Delete(IioRoot, recursive: true);
        await rig.TicksAsync(10);
        string line = Assert.Single(rig.Log, entry => entry.StartsWith("Warning", StringComparison.Ordinal));
        Assert.Contains("'temperature', 'humidity', 'light', 'co2': IIO device 'bme280' does not answer", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clock_faults_are_said_once_each_and_stand_in_the_readings()
    {
        bool isSet = true;
        TimeSpan slept = TimeSpan.Zero;
        foreach (string channel in (string[])["temperature", "humidity", "light", "co2"])
        {
            _scripted[channel] = new ScriptedDevice(channel, channel) { Value = Walk() };
        }

        using var rig = new StreamRig(
            $"channels: {{ {string.Join(", ", _scripted.Keys.Select(channel => $"{channel}: {{ {I2c(channel)} }}"))} }}",
            (edge, clock, log) => new Sources(edge, Scripted, clock, log, system: new SystemClock(() => slept, () => isSet)));
        await rig.TicksAsync(3);
        Assert.False(rig.Last("reading").TryGetProperty("clock", out _));

        rig.Clock.WallOffset += TimeSpan.FromHours(1);
        await rig.TicksAsync(1);
        Assert.Equal(3600, rig.Last("reading").GetProperty("clock_jump_seconds").GetDouble());
        Assert.False(rig.Last("reading").TryGetProperty("gap_ticks", out _));
        await rig.TicksAsync(1);
        Assert.False(rig.Last("reading").TryGetProperty("clock_jump_seconds", out _));

        slept = TimeSpan.FromMinutes(10);
        rig.Clock.WallOffset += slept;
        await rig.TicksAsync(1);
        Assert.Equal(3000, rig.Last("reading").GetProperty("gap_ticks").GetInt32());
        Assert.False(rig.Last("reading").TryGetProperty("clock_jump_seconds", out _));

        isSet = false;
        await rig.TicksAsync(4);
        Assert.Equal("unsynchronised", rig.Last("reading").GetProperty("clock").GetString());
        isSet = true;
        await rig.TicksAsync(2);
        string[] lines = [.. rig.Log.Where(entry => entry.Contains("clock", StringComparison.Ordinal))];
        Assert.Equal(3, lines.Length);
        Assert.Contains("the clock was set by 3600 s", lines[0], StringComparison.Ordinal);
        Assert.Contains("is not synchronized", lines[1], StringComparison.Ordinal);
        Assert.Contains("is synchronized now", lines[2], StringComparison.Ordinal);
    }

    public void Dispose()
    {
        foreach (ScriptedDevice device in _scripted.Values)
        {
            device.GoOn();
        }

        _folder.Dispose();
    }

    private string IioRoot => _folder.File("bus/iio/devices");

    private string HwmonRoot => _folder.File("class/hwmon");

    private static SystemClock Calm { get; } = new(() => TimeSpan.Zero, () => true);

    private Devices Scripted => new() { I2c = (device, _) => _scripted[device.Driver] };

    private static async Task TicksAsync(StreamRig rig, int count, Action beforeTick)
    {
        for (int i = 0; i < count; i++)
        {
            beforeTick();
            await rig.TicksAsync(1);
        }
    }

    // A healthy value that never repeats itself.
    private static Func<double> Walk()
    {
        int calls = 0;
        return () => 20 + (0.01 * calls++);
    }

    private (StreamRig Rig, Action<bool> Apply, Action BeforeTick) Make(string kind, string fault) => kind switch
    {
        "device" => MakeDevice(fault),
        "mqtt" => MakeMqtt(fault),
        "replay" => MakeReplay(fault),
        "simulated" =>
            (
                new StreamRig(
                    "source: { simulated: { seed: 3, faults: [ { at: 2.4s, duration: 2.4s, kind: dropout, channel: temperature } ] } }"),
                _ => { },
                () => { }
        ),
        _ => MakeKernel(kind, fault),
    };

    private (StreamRig Rig, Action<bool> Apply, Action BeforeTick) MakeDevice(string fault)
    {
        foreach (string channel in (string[])["temperature", "humidity", "light", "co2"])
        {
            _scripted[channel] = new ScriptedDevice(channel, channel == "temperature" ? "one" : "two") { Value = Walk() };
        }

        var rig = new StreamRig(
            $"channels: {{ {string.Join(", ", _scripted.Keys.Select(channel => $"{channel}: {{ {I2c(channel)}, stuck: 4 }}"))} }}",
            (edge, clock, log) => new Sources(edge, Scripted, clock, log, system: Calm));
        ScriptedDevice broken = _scripted["temperature"];
        rig.Hangs = bus => bus == broken.Bus && broken.IsHanging;
        Func<double> walk = broken.Value;
        return (rig, Apply, () => { });

        void Apply(bool on)
        {
            broken.Failure = on && fault == "fails" ? "NACK" : null;
            broken.HasMeasurement = !(on && fault == "not yet");
            broken.Value = (on, fault) switch
            {
                (true, "not valid") => () => double.NaN,
                (true, "outside") => () => 900,
                (true, "stuck") => () => 20,
                _ => walk,
            };
            if (fault == "hangs")
            {
                (on ? (Action)broken.Hang : broken.GoOn)();
            }
        }
    }

    private (StreamRig Rig, Action<bool> Apply, Action BeforeTick) MakeKernel(string kind, string fault)
    {
        string[] channels = kind == "iio" ? ["temp", "humidityrelative", "voltage0", "voltage1"] : ["temp1", "humidity1", "in0", "in1"];
        string[] columns = ["temperature", "humidity", "light", "co2"];
        Func<double> walk = Walk();
        bool isOn = false;
        string root = kind == "iio" ? IioRoot : HwmonRoot;
        string folder = Path.Combine(root, "device0");
        string moved = _folder.File("moved");
        string target = Path.Combine(folder, kind == "iio" ? "in_temp_input" : "temp1_input");
        Directory.CreateDirectory(folder);

        // Each device a folder of its own, so that the broken one is broken alone.
        for (int i = 1; i < channels.Length; i++)
        {
            Directory.CreateDirectory(Path.Combine(root, $"device{i}"));
            File.WriteAllText(Path.Combine(root, $"device{i}", "name"), $"chip{i}");
        }

        File.WriteAllText(Path.Combine(folder, "name"), "chip0");
        File.WriteAllText(Path.Combine(folder, "temp1_fault"), "0");
        Write();
        string source = string.Join(", ", columns.Select((column, i) =>
            $"{column}: {{ {(kind == "iio" ? $"iio: {{ device: chip{i}, channel" : $"hwmon: {{ chip: chip{i}, input")}: "
                + $"{channels[i]} }}, max: 500, stuck: 4 }}"));
        var rig = new StreamRig(
            $"channels: {{ {source} }}",
            (edge, clock, log) => new Sources(edge, new Devices(_folder.Path), clock, log, system: Calm))
        {
            // Each device is a bus of its own, which is called as it is.
            Hangs = bus => isOn && fault == "hangs" && bus.Contains("'chip0'", StringComparison.Ordinal),
        };
        return (rig, Apply, Write);

        void Write()
        {
            for (int i = 0; i < channels.Length; i++)
            {
                string file = Path.Combine(root, $"device{i}", kind == "iio" ? $"in_{channels[i]}_input" : $"{channels[i]}_input");
                string healthy = $"{1000 * walk():0}";
                if (i > 0 || !isOn)
                {
                    Replace(file, healthy);
                }
            }

            if (isOn && fault is "stuck" or "no number" or "outside")
            {
                Replace(target, fault switch { "stuck" => "20000", "outside" => "900000", _ => "-" });
            }
        }

        void Apply(bool on)
        {
            isOn = on;
            switch (fault)
            {
                case "unplugged":
                    Directory.Move(on ? folder : moved, on ? moved : folder);
                    break;
                case "reports a fault":
                    File.WriteAllText(Path.Combine(folder, "temp1_fault"), on ? "1" : "0");
                    break;
                case "hangs" when on:
                    // A pipe that nobody writes to: opening it blocks, as a read of a driver that waits for its chip does.
                    File.Delete(target);
                    Process.Start("mkfifo", target).WaitForExit();
                    break;
                case "hangs":
                    // Who waits at the pipe gets something, and finds a file the next time.
                    using (var pipe = new FileStream(target, FileMode.Open, FileAccess.ReadWrite))
                    {
                        pipe.Write("20000\n"u8);
                        pipe.Flush();
                    }

                    File.Delete(target);
                    break;
            }
        }
    }

    // A driver's file is never half written.
    private static void Replace(string file, string text)
    {
        File.WriteAllText(file + ".new", text);
        File.Move(file + ".new", file, overwrite: true);
    }

    private (StreamRig Rig, Action<bool> Apply, Action BeforeTick) MakeMqtt(string fault)
    {
        // The connection is another test's; here its messages are handed over as it would.
        string[] columns = ["temperature", "humidity", "light", "co2"];
        bool isOn = false;
        Func<double> walk = Walk();
        var rig = new StreamRig(
            $"channels: {{ {string.Join(", ", columns.Select(column => $"{column}: {{ {Topic(column)} }}"))} }}",
            (edge, clock, log) =>
                new Sources(
                    edge,
                    new Devices(),
                    clock,
                    log,
                    topics: new MqttTopics((_, _) => () => throw new MqttLinkException("no broker here."), false, clock, log),
                    system: Calm));
        return (rig, on => isOn = on, Send);

        void Send()
        {
            foreach (string column in columns)
            {
                string healthy = $"{walk():0.00}";
                string? text = column != "temperature" || !isOn
                    ? healthy
                    : fault switch { "silence" => null, "no number" => "twenty", "not valid" => "NaN", "outside" => "900", _ => "20" };
                if (text is not null)
                {
                    _ = rig.Sources.Topics.Shared.DispatchAsync(
                        new Edge.Runtime.Mqtt.MqttReceived($"plant/{column[..1]}", Encoding.UTF8.GetBytes(text), false)).AsTask();
                }
            }
        }
    }

    private (StreamRig Rig, Action<bool> Apply, Action BeforeTick) MakeReplay(string fault)
    {
        Func<double> walk = Walk();
        string bad = fault == "empty" ? "" : "error";
        string[] rows =
        [
            .. Enumerable.Range(0, 100)
                .Select(i => $"{(i is >= 12 and < 24 ? bad : $"{walk():0.00}")},{walk():0.00},{walk():0.00},{walk():0.00}"),
        ];
        _folder.Write("rows.csv", "temperature,humidity,light,co2\n" + string.Join('\n', rows) + "\n");
        return (new StreamRig($"source: {{ replay: {{ file: {_folder.File("rows.csv")} }} }}"), _ => { }, () => { });
    }

    private void WriteIio(string channel, string text)
    {
        string folder = Path.Combine(IioRoot, "iio:device0");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "name"), "bme280");
        File.WriteAllText(Path.Combine(folder, $"in_{channel}_input"), text);
    }
}
