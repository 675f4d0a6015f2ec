using System.Text.Json;
using Edge.Runtime.Hosting;
using Edge.Sensors;
using Edge.Sensors.Timing;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>
/// Every fault against every kind of source that can have it: the quality in the reading, one line in the log however long it
/// lasts, the entry in the health topic, and one line when it is over.
/// </summary>
public sealed partial class FaultMatrixTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, ScriptedDevice> _scripted = [];

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
        foreach (string said in new[] { "it had none before, so the stream waits", "has no measurement yet; the stream waits" })
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

    private static async Task TicksAsync(StreamRig rig, int count, Action beforeTick)
    {
        for (int i = 0; i < count; i++)
        {
            beforeTick();
            await rig.TicksAsync(1);
        }
    }
}
