using System.Text.Json;
using Edge.Runtime.Delivery;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>The commands as a shell sees them: exit codes, sentences, files.</summary>
public sealed class CommandLineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("run")]
    [InlineData("replay", "--model", "demo")]
    [InlineData("nonsense")]
    [InlineData("demo", "--port", "many")]
    public async Task Wrong_usage_exits_with_2_and_points_to_help(params string[] args)
    {
        (int code, string _, string error) = await RunAsync(args);
        Assert.Equal(2, code);
        Assert.Contains("--help", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd().Split('\n'));
    }

    [Theory]
    [InlineData("'foo'", "See edge-runtime --help.", "foo")]
    [InlineData("'shw'", "See edge-runtime state --help.", "state", "shw")]
    [InlineData("'--confg'", "See edge-runtime run --help.", "run", "--confg", "e.yaml")]
    [InlineData("command was not provided", "See edge-runtime state --help.", "state")]
    public async Task Wrong_usage_names_the_word_that_is_wrong(string word, string help, params string[] args)
    {
        string error = (await RunAsync(args)).Error;
        Assert.Contains(word, error, StringComparison.Ordinal);
        Assert.EndsWith(help, error.TrimEnd(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_configuration_and_a_missing_model_are_named()
    {
        await RefusesAsync(["run", "--config", "/no/such.yaml"], "'/no/such.yaml' does not exist");
        await RefusesAsync(["run", "--config", _folder.Path], "is a folder, not a file");
        string config = _folder.Write(
            "edge.yaml",
            "device: d\nstreams:\n  - { name: s, model: gone.safetensors, source: { simulated: { } } }\n");
        await RefusesAsync(["run", "--config", config], "Stream 's'", "gone.safetensors' does not exist");
        await RefusesAsync(["replay", "--model", "/no/model", "--data", "x", "--output", "y"], "'/no/model' does not exist");
    }

    [Fact]
    public async Task A_replay_without_a_column_is_named()
    {
        string csv = _folder.Write("x.csv", "time,temperature\n1,2\n");
        await RefusesAsync(["replay", "--model", "demo", "--data", csv, "--output", _folder.File("y")], "no column 'humidity'");
    }

    [Fact]
    public async Task A_replay_reads_times_as_it_is_told_and_refuses_what_it_cannot_tell()
    {
        string csv = _folder.Write(
            "x.csv", "time,temperature,humidity,light,co2\n25.10.2026 02:40,21,60,10,420\n25.10.2026 02:00,21,60,10,420\n");
        string output = _folder.File("x.jsonl");
        string[] replay = ["replay", "--model", "demo", "--data", csv, "--output", output];
        await RefusesAsync(replay, "line 2: '25.10.2026 02:40' is not ISO 8601 or a count since 1970");
        await RefusesAsync([.. replay, "--time-format", "HH:mm"], "--time-format is 'HH:mm'");
        await RefusesAsync([.. replay, "--timezone", "Europe/Nowhere"], "--timezone is 'Europe/Nowhere'");
        (int code, string _, string _) = await RunAsync([.. replay, "--time-format", "dd.MM.yyyy HH:mm", "--timezone", "Europe/Berlin"]);
        Assert.Equal(0, code);
        string[] times =
        [
            .. File.ReadLines(output).Select(line => JsonDocument.Parse(line).RootElement)
                .Where(line => line.TryGetProperty("channels", out _) && !line.TryGetProperty("interval", out _))
                .Select(line => line.GetProperty("time").GetString()!),
        ];
        Assert.Equal(["2026-10-25T00:40:00.000Z", "2026-10-25T01:00:00.000Z"], times);
        string empty = _folder.Write("empty.csv", "time,temperature,humidity,light,co2\n2026-10-25,x,60,10,420\n");
        await RefusesAsync(
            ["replay", "--model", "demo", "--data", empty, "--output", output], "have no row with a number in every column");
    }

    [Fact]
    public async Task Recorded_readings_can_be_replayed_and_give_a_line_each()
    {
        string config = _folder.Write(
            "edge.yaml",
            "device: d\nstreams:\n  - name: s\n    model: demo\n    source: { simulated: { seed: 5, speed: max, faults: [ { at: "
                + "8s, duration: 1s, kind: dropout, channel: co2 } ] } }\n");
        (int code, string output, string _) = await RunAsync(
            "record", "--config", config, "--output", _folder.File("x.csv"), "--for", "20s");
        Assert.Equal(0, code);
        Assert.StartsWith("100 rows of temperature, humidity, light, co2", output, StringComparison.Ordinal);

        (code, output, string _) = await RunAsync(
            "replay", "--model", "demo", "--data", _folder.File("x.csv"), "--output", _folder.File("y.jsonl"), "--device", "dev",
            "--stream", "str");
        Assert.Equal(0, code);
        Assert.StartsWith("100 rows, 99 forecasts", output, StringComparison.Ordinal);
        JsonElement[] lines = File.ReadAllLines(_folder.File("y.jsonl")).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal(99, lines.Count(line => line.TryGetProperty("horizon_seconds", out _)));
        Assert.All(
            lines,
            line => Assert.Equal(("dev", "str"), (line.GetProperty("device").GetString(), line.GetProperty("stream").GetString())));
        Assert.Equal(
            5,
            lines.Count(
                line =>
                    line.TryGetProperty("channels", out JsonElement channels)
                        && channels.TryGetProperty("co2", out JsonElement co2)
                        && co2.TryGetProperty("quality", out _)));
    }

    [Fact]
    public async Task Check_names_every_problem_and_exits_with_1()
    {
        string config = _folder.Write(
            "edge.yaml",
            "device: d\nmqtt: { host: 127.0.0.1, port: 1, client: mosquitto }\nstreams:\n  - { name: good, model: demo, source: "
                + "{ simulated: { } } }\n  - { name: bad, model: gone, source: { simulated: { } } }\n");
        (int code, string output, string _) = await RunAsync("check", "--config", config);
        Assert.Equal(1, code);
        Assert.Contains("note   configuration: mqtt.client is no longer needed", output, StringComparison.Ordinal);
        Assert.Contains("ok     stream good", output, StringComparison.Ordinal);
        Assert.Contains("WRONG  stream bad: Model", output, StringComparison.Ordinal);
        Assert.Contains("WRONG  broker 127.0.0.1:1: Broker 127.0.0.1:1 cannot be reached", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_finds_limits_of_a_channel_that_the_model_does_not_read()
    {
        string config = _folder.Write(
            "edge.yaml",
            "device: d\nmqtt: { host: 127.0.0.1, port: 1 }\nstreams:\n"
                + "  - { name: s, model: demo, limits: { temp: { high: 5 } }, source: { simulated: { } } }\n");
        const string Problem = "'limits' has temp, which the model does not read; its columns are temperature, humidity, light, co2.";
        Assert.Contains($"WRONG  stream s: {Problem}", (await RunAsync("check", "--config", config)).Output, StringComparison.Ordinal);
        await RefusesAsync(["run", "--config", config], Problem);
    }

    [Theory]
    [InlineData(
        "10m",
        "{ }",
        "{ }",
        "WRONG  stream s: 'learn.after' is 1d, which is 144 rows at a period of 10m, and to forecast 36 ticks ahead is learned from at "
            + "least 370 rows. Set it to at least 62h, or set shorter 'learn.horizons'.")]
    [InlineData(
        "10m",
        "{ after: 24h, horizons: [10m] }",
        "{ }",
        "WRONG  stream s: 'learn.after' is 1d, which is 144 rows at a period of 10m, and to forecast 1 tick ahead is learned from at "
            + "least 150 rows. Set it to at least 25h.")]
    [InlineData("10m", "{ after: 25h, horizons: [10m] }", "{ }", "ok     stream s")]
    [InlineData(
        "10m",
        "{ after: 25h, horizons: [10m] }",
        "{ max_age: 24h }",
        "WRONG  stream s: 'history.max_age' is 1d, which is 144 rows at a period of 10m, and to forecast 1 tick ahead is learned from at "
            + "least 150 rows. Set it to at least 25h.")]
    [InlineData(
        "1s",
        "{ after: 31d }",
        "{ }",
        "note   stream s: 'learn.after' is 31d, and 'history.max_age' stores rows for 30d: the first model is learned from those.")]
    [InlineData(
        "1s",
        "{ after: 20d, horizons: [24h], memory: 100MB }",
        "{ }",
        "WRONG  stream s: 'learn.memory' has room for 436906 rows of 2 columns, and to forecast 86400 ticks ahead is learned from at "
            + "least 864010 rows. Set it to at least 198MB, or set shorter 'learn.horizons'.")]
    [InlineData("1s", "{ }", "{ }", "ok     stream s")]
    public async Task Check_says_what_learning_lacks(string period, string learn, string history, string line)
    {
        string config = _folder.Write(
            "edge.yaml",
            $"device: d\nstate: state\nhistory: {history}\nmqtt: {{ host: 127.0.0.1, port: 1 }}\nstreams:\n"
                + $"  - {{ name: s, period: {period}, columns: [a, b], source: {{ replay: {{ file: x.csv }} }}, "
                + $"learn: {{ program: x.csv, {learn.TrimStart('{', ' ')} }}\n");
        _folder.Write("x.csv", "a,b\n1,2\n");
        string[] lines = (await RunAsync("check", "--config", config)).Output.Split('\n');
        Assert.Contains(line, lines);
        Assert.Equal(line[0] != 'W', lines.Contains("ok     stream s"));
    }

    // What is learned forecasts: it could replace no other output, and each training would fail.
    [Theory]
    [InlineData(
        "wear_of_filters",
        "WRONG  stream s: 'learn' is for models that only forecast, and 'wear_of_filters' of model 'MODEL' is no forecast. "
            + "Remove 'learn', remove 'model' to learn one that forecasts, or add 'what: profile' to learn only what is normal.")]
    [InlineData("co2[t]", "WRONG  stream s: 'learn' is for models that only forecast, and 'co2[t]' of model 'MODEL' is no forecast.")]
    [InlineData(null, "ok     stream s")]
    public async Task Check_refuses_to_learn_in_place_of_a_model_that_does_more_than_forecast(string? output, string line)
    {
        byte[] demo = File.ReadAllBytes(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));
        File.WriteAllBytes(_folder.File("m.safetensors"), output is null ? demo : ModelVariant.WithOutput(demo, "co2[t+25]", output));
        string config = _folder.Write(
            "edge.yaml",
            "device: d\nstate: state\nmqtt: { host: 127.0.0.1, port: 1 }\nstreams:\n  - { name: s, model: m.safetensors, "
                + "period: 200ms, source: { simulated: { } }, learn: { program: edge.yaml } }\n");
        string said = (await RunAsync("check", "--config", config)).Output;
        Assert.Contains(line.Replace("MODEL", _folder.File("m.safetensors"), StringComparison.Ordinal), said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_lets_a_model_that_does_more_than_forecast_learn_what_is_normal()
    {
        byte[] demo = File.ReadAllBytes(RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));
        File.WriteAllBytes(_folder.File("m.safetensors"), ModelVariant.WithOutput(demo, "co2[t+25]", "wear_of_filters"));
        string config = _folder.Write(
            "edge.yaml",
            "device: d\nstate: state\nmqtt: { host: 127.0.0.1, port: 1 }\nstreams:\n  - { name: s, model: m.safetensors, "
                + "source: { simulated: { } }, learn: { what: profile, after: 7d, program: edge.yaml } }\n");
        string[] lines = (await RunAsync("check", "--config", config)).Output.Split('\n');
        Assert.Contains("ok     stream s", lines);
        Assert.Contains("note   stream s: its model keeps its weights, and learns what is normal from 7d of readings.", lines);
    }

    [Fact]
    public async Task Check_looks_into_the_state_and_leaves_it_as_it_is()
    {
        string folder = _folder.File("state");
        string config = _folder.Write(
            "edge.yaml",
            "device: d\nstate: state\nmqtt: { host: 127.0.0.1, port: 1 }\nstreams:\n"
                + "  - { name: s, model: demo, source: { simulated: { } } }\n");
        using (StateStore used = Open())
        {
            Assert.Contains("ok     state", await CheckAsync(), StringComparison.Ordinal);
            Assert.True(File.Exists(Path.Combine(folder, "edge.db-wal")));
        }

        string[] files = Directory.GetFiles(folder);
        Assert.Contains("ok     state", await CheckAsync(), StringComparison.Ordinal);
        Assert.Equal(files.Order(), Directory.GetFiles(folder).Order());

        await File.WriteAllBytesAsync(Path.Combine(folder, "edge.db"), new byte[5000]);
        Assert.Contains("edge.db' is damaged: file is not a database. The service would", await CheckAsync(), StringComparison.Ordinal);
        Assert.Equal(files.Order(), Directory.GetFiles(folder).Order());

        Directory.Delete(folder, recursive: true);
        Assert.Contains($"ok     state {folder}", await CheckAsync(), StringComparison.Ordinal);
        Assert.Equal([config], Directory.GetFileSystemEntries(Path.GetDirectoryName(folder)!));

        await File.WriteAllTextAsync(folder, "");
        string isFile = $"State folder '{folder}' cannot be used: it is a file. Name a folder in 'state'.";
        Assert.Contains($"WRONG  state {folder}: {isFile}", await CheckAsync(), StringComparison.Ordinal);
        await RefusesAsync(["run", "--config", config], isFile);

        StateStore Open() => StateStore.Open(
            folder, TimeSpan.FromSeconds(5), TimeSpan.FromDays(1), TimeProvider.System, "boot", NullLogger.Instance);

        async Task<string> CheckAsync() => (await RunAsync("check", "--config", config)).Output;
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("period: 200.19ms, ", null)]
    [InlineData("period: 201ms, ", "'period' is 0.201 s, and the model was trained on rows 0.2 s apart. Remove 'period', or train")]
    [InlineData("period: 5m, ", "'period' is 300 s, and the model was trained on rows 0.2 s apart.")]
    public async Task Check_notes_a_period_that_is_not_the_models(string period, string? note)
    {
        string config = _folder.Write(
            "edge.yaml",
            "device: d\nmqtt: { host: 127.0.0.1, port: 1 }\nstreams:\n"
                + $"  - {{ name: s, model: demo, {period}source: {{ simulated: {{ }} }} }}\n");
        (int _, string output, string _) = await RunAsync("check", "--config", config);
        Assert.Contains("ok     stream s", output, StringComparison.Ordinal);
        Assert.Contains(note is null ? "" : $"note   stream s: {note}", output, StringComparison.Ordinal);
        Assert.Equal(note is not null, output.Contains("note   stream s", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Sensors_and_check_read_each_channel_once_and_give_the_lines_to_paste()
    {
        Directory.CreateDirectory(_folder.File("class/hwmon/hwmon2"));
        _folder.Write("class/hwmon/hwmon2/name", "cpu_thermal\n");
        _folder.Write("class/hwmon/hwmon2/temp1_input", "48312\n");
        string config = _folder.Write("edge.yaml", """
            device: d
            sysfs: .
            mqtt: { host: 127.0.0.1, port: 1 }
            streams:
              - name: s
                model: demo
                channels:
                  temperature: { hwmon: { chip: cpu_thermal, input: temp1 }, offset: -10 }
                  humidity: { hwmon: { chip: cpu_thermal, input: temp2 } }
                  light: { iio: { device: tsl2561, channel: illuminance0 } }
                  co2: { mqtt: { topic: a } }
            """);
        (int code, string output, string _) = await RunAsync("sensors", "--config", config);
        Assert.Equal(1, code);
        Assert.Contains("temp1: { hwmon: { chip: cpu_thermal, input: temp1 } }   # 48.312", output, StringComparison.Ordinal);
        Assert.Contains(
            "WRONG  s, temperature, humidity: hwmon chip 'cpu_thermal' does not answer: it has no input 'temp2'; it has temp1.",
            output,
            StringComparison.Ordinal);
        Assert.Contains("WRONG  s, light: IIO device 'tsl2561' does not answer:", output, StringComparison.Ordinal);

        File.WriteAllText(config, (await File.ReadAllTextAsync(config)).Replace("temp2", "temp1", StringComparison.Ordinal));
        (code, output, string _) = await RunAsync("check", "--config", config);
        Assert.Equal(1, code);
        Assert.Contains("ok     s, temperature: 38.312 from hwmon chip 'cpu_thermal'", output, StringComparison.Ordinal);
        Assert.Contains("ok     s, humidity: 48.312 from hwmon chip 'cpu_thermal'", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Channels_are_recorded_before_there_is_a_model_and_run_asks_for_one()
    {
        Directory.CreateDirectory(_folder.File("class/hwmon/hwmon2"));
        _folder.Write("class/hwmon/hwmon2/name", "cpu_thermal\n");
        _folder.Write("class/hwmon/hwmon2/temp1_input", "48312\n");
        string config = _folder.Write(
            "edge.yaml",
            "device: d\nsysfs: .\nstreams:\n  - { name: s, period: 50ms, channels: { cpu: { hwmon: { chip: cpu_thermal, input: "
                + "temp1 } } } }\n");
        (int code, string output, string _) = await RunAsync(
            "record", "--config", config, "--output", _folder.File("x.csv"), "--for", "500ms");
        Assert.Equal(0, code);
        Assert.Contains(" of cpu -> ", output, StringComparison.Ordinal);
        Assert.Contains(File.ReadAllLines(_folder.File("x.csv")), line => line.EndsWith(",48.312", StringComparison.Ordinal));
        await RefusesAsync(["run", "--config", config], "Stream 's': There is no 'model'. Record readings");
    }

    [Fact]
    public async Task Channels_that_do_not_fit_the_model_are_named()
    {
        string config = _folder.Write(
            "edge.yaml",
            "device: d\nstreams:\n  - { name: s, model: demo, channels: { temperature: { mqtt: { topic: a } }, pressure: { mqtt: { topic: "
                + "b } } } }\n");
        await RefusesAsync(
            ["run", "--config", config],
            "'channels' lacks humidity, light, co2, which the model reads.",
            "'channels' has pressure, which the model does not read.",
            "name each channel after the column that it measures.");
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int code = await Program.RunAsync(args, output, error);
        return (code, output.ToString(), error.ToString());
    }

    private static async Task RefusesAsync(string[] args, params string[] parts)
    {
        (int code, string _, string error) = await RunAsync(args);
        Assert.Equal(1, code);
        Assert.Single(error.TrimEnd().Split('\n'));
        Assert.All(parts, part => Assert.Contains(part, error, StringComparison.Ordinal));
    }
}
