using System.Globalization;
using System.Text.Json;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary><c>replay</c> with the settings of a stream of edge.yaml, and the scores that it writes.</summary>
[Trait("Runs", "kernels")]
public sealed class ReplayCommandTests : IDisposable
{
    // 2000 rows; humidity is wrong from row 1500 to 1519, and carbon dioxide is lost from row 1750 to 1754.
    private const string Config = """
        device: house
        streams:
          - { name: other, model: gone.safetensors, source: { simulated: {} } }
          - name: climate
            model: demo
            publish: [reading, score]
            hold: 2
            limits: { temperature: { high: 5 } }
            anomaly: { sensitivity: 0.02, min_duration: 7 }
            forecast: { interval: 0.5 }
            source:
              simulated:
                seed: 5
                speed: max
                faults:
                  - { at: 300s, duration: 4s, kind: bias, channel: humidity, magnitude: 6 }
                  - { at: 350s, duration: 1s, kind: dropout, channel: co2 }

        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_replay_takes_all_settings_of_a_stream()
    {
        string[] replay = await RecordAsync();
        JsonElement[] lines = await ReplayAsync([.. replay, "--stream", "climate"]);
        Assert.All(
            lines.Where(line => line.TryGetProperty("seq", out _)),
            line => Assert.Equal(("house", "climate"), (Text(line, "device"), Text(line, "stream"))));

        // publish: readings and scores, no forecasts.
        Assert.Equal(2000, lines.Count(line => line.TryGetProperty("parts", out _)));
        Assert.DoesNotContain(lines, line => line.TryGetProperty("horizon_seconds", out _));
        JsonElement[] readings = [.. lines.Where(line => line.TryGetProperty("channels", out _) && !line.TryGetProperty("event", out _))];
        Assert.Equal(2000, readings.Length);

        // hold: two of the five lost values are carried forward; limits: the temperature is beyond its own from the start.
        Assert.Equal(2, readings.Count(line => Quality(line, "co2") == "held"));
        Assert.Equal(3, readings.Count(line => Quality(line, "co2") == "missing"));
        Assert.Contains(lines, line => line.TryGetProperty("side", out _) && line.GetProperty("limit").GetDouble() == 5);

        // What is said on the command line comes first.
        JsonElement named = (await ReplayAsync([.. replay, "--stream", "climate", "--device", "bench"]))[^1];
        Assert.Equal("bench", Text(named, "device"));
        JsonElement first = (await ReplayAsync([.. replay, "--model", "demo"]))[^1];
        Assert.Equal("other", Text(first, "stream"));
    }

    // 2000 rows, of which the model of the demo learns what is normal on the first ones; carbon dioxide is lost in five.
    [Fact]
    public async Task The_last_lines_count_rows_without_a_value_and_say_what_is_not_watched()
    {
        string[] replay = [.. await RecordAsync(), "--stream", "climate"];
        string[] lines = (await SaidAsync(replay)).Split('\n');
        Assert.StartsWith("2000 rows, ", lines[0], StringComparison.Ordinal);
        Assert.Equal("rows without a value: co2 5", lines[1]);

        string data = replay[Array.IndexOf(replay, "--data") + 1];
        await File.WriteAllLinesAsync(data, (await File.ReadAllLinesAsync(data))[..11]);
        lines = (await SaidAsync(replay)).Split('\n');
        Assert.Matches("^Learns what is normal: 10 of [0-9]+ rows. Until then it finds no anomaly.$", lines[1]);
    }

    [Fact]
    public async Task Sensitivity_and_its_override_change_the_scores()
    {
        string[] replay = [.. await RecordAsync(), "--stream", "climate"];
        double[][] configured = await ScoresAsync(replay);
        double[][] same = await ScoresAsync([.. replay, "--sensitivity", "0.02"]);
        double[][] high = await ScoresAsync([.. replay, "--sensitivity", "10000"]);
        Assert.Equal(configured.SelectMany(line => line), same.SelectMany(line => line));

        // Each goes on to learn from other anomalies, so not every tick is higher; the middle one is, clearly.
        double[] ratios =
        [
            .. configured.Zip(high).Where(pair => pair.First[0] > 0).Select(pair => pair.Second[0] / pair.First[0]).Order(),
        ];
        Assert.InRange(ratios[ratios.Length / 2], 1.1, double.MaxValue);
    }

    [Fact]
    public async Task Scores_are_a_line_per_tick_whose_largest_part_is_the_score()
    {
        string[] replay = [.. await RecordAsync(), "--stream", "climate"];
        string path = _folder.File("scores.csv");
        JsonElement[] lines = await ReplayAsync([.. replay, "--scores", path]);
        string[] csv = await File.ReadAllLinesAsync(path);
        Assert.Equal("time,score,residual,pattern,relation,level,sensor,noise", csv[0]);
        JsonElement[] published = [.. lines.Where(line => line.TryGetProperty("parts", out _))];
        Assert.Equal(published.Select(line => Text(line, "time")), csv[1..].Select(line => line.Split(',')[0]));
        double[][] scores = await ScoresAsync(replay);
        Assert.Equal(published.Select(line => line.GetProperty("score").GetDouble()), scores.Select(line => line[0]));
        Assert.All(scores, line => Assert.Equal(line[0], line[1..].Max()));
        Assert.Equal(0, scores[0][0]);
        Assert.True(scores[1500..1520].Max(line => line[0]) >= 1);
    }

    // Every write to this device finds its disk full.
    [Theory]
    [InlineData("--output", "--scores")]
    [InlineData("--scores", "--output")]
    public async Task A_full_disk_is_one_sentence(string full, string other)
    {
        string[] replay = await RecordAsync();
        var error = new StringWriter();
        Assert.Equal(
            1,
            await Program.RunAsync(
                ["replay", .. replay, "--stream", "climate", full, "/dev/full", other, _folder.File("other")], TextWriter.Null, error));
        Assert.Equal(
            $"{full} '/dev/full' cannot be written: its disk is full. Make room there, or name a file on another disk.\n",
            error.ToString());
    }

    [Fact]
    public async Task A_full_disk_ends_a_recording_with_one_sentence()
    {
        string config = _folder.Write(
            "full.yaml", "device: d\nstreams: [ { name: s, model: demo, source: { simulated: { speed: max } } } ]\n");
        var error = new StringWriter();
        Assert.Equal(
            1,
            await Program.RunAsync(["record", "--config", config, "--output", "/dev/full", "--for", "2s"], TextWriter.Null, error));
        Assert.Equal(
            "'/dev/full' cannot be written: its disk is full. Make room there, or name a file on another disk.\n", error.ToString());
    }

    [Fact]
    public async Task Wrong_input_is_named()
    {
        string[] replay = await RecordAsync();
        await RefusesAsync([.. replay, "--stream", "nowhere"], "--stream is 'nowhere'; the configuration has other, climate.");
        await RefusesAsync(replay, "gone.safetensors' does not exist");
        string[] climate = [.. replay, "--stream", "climate"];
        foreach (string sensitivity in new[] { "medium", "0", "10001", "-1", "1e2" })
        {
            await RefusesAsync(
                [.. climate, $"--sensitivity={sensitivity}"], $"--sensitivity is '{sensitivity}'; use low, normal, high, or a number");
        }

        await RefusesAsync([.. climate, "--scores", _folder.File("no/where.csv")], "no/where.csv' cannot be written");
        await RefusesAsync([.. climate, "--scores", ""], "--scores '' cannot be written");
        await RefusesAsync([.. climate, "--scores", _folder.File("out.jsonl")], "out.jsonl' are one file; give them two names.");
        string data = climate[Array.IndexOf(climate, "--data") + 1];
        byte[] recorded = await File.ReadAllBytesAsync(data);
        await RefusesAsync([.. climate, "--scores", data], "is an input, and would be overwritten");
        Assert.Equal(recorded, await File.ReadAllBytesAsync(data));
        await RefusesAsync([.. climate, "--horizon", "0"], "--horizon is 0");
        var error = new StringWriter();
        Assert.Equal(2, await Program.RunAsync(["replay", "--data", "x", "--output", "y"], TextWriter.Null, error));
        Assert.Equal(
            "Option '--model' or '--config' is required. See edge-runtime replay --help.", error.ToString().TrimEnd());
    }

    [Fact]
    public async Task A_recorded_source_lends_its_times_and_its_order()
    {
        string config = _folder.Write("edge.yaml", """
            device: d
            streams:
              - name: s
                model: demo
                period: 1h
                time_format: dd.MM.yyyy HH:mm
                timezone: Europe/Berlin
                source: { replay: { file: gone.csv, time_column: when, order: newest_first, speed: 1x, loop: true } }

            """);
        string csv = _folder.Write(
            "x.csv", "when,temperature,humidity,light,co2\n25.07.2026 03:30,22,60,10,420\n25.07.2026 02:30,21,60,10,420\n");
        JsonElement[] lines = await ReplayAsync(["--config", config, "--data", csv]);
        Assert.Equal(
            ["2026-07-25T00:30:00.000Z", "2026-07-25T01:30:00.000Z"],
            lines.Where(line => line.TryGetProperty("channels", out _) && !line.TryGetProperty("interval", out _))
                .Select(line => Text(line, "time")));
    }

    private async Task<string[]> RecordAsync()
    {
        string config = _folder.Write("edge.yaml", Config);
        string data = _folder.File("x.csv");
        Assert.Equal(
            0,
            await Program.RunAsync(
                ["record", "--config", config, "--stream", "climate", "--output", data, "--for", "400s"],
                TextWriter.Null,
                TextWriter.Null));
        return ["--config", config, "--data", data];
    }

    private async Task<JsonElement[]> ReplayAsync(string[] args)
    {
        string output = _folder.File("out.jsonl");
        var error = new StringWriter();
        int code = await Program.RunAsync(["replay", .. args, "--output", output], TextWriter.Null, error);
        Assert.True(code == 0, error.ToString());
        return [.. File.ReadLines(output).Select(line => JsonDocument.Parse(line).RootElement)];
    }

    // The numbers of each line, without its time.
    private async Task<double[][]> ScoresAsync(string[] args)
    {
        string path = _folder.File("numbers.csv");
        await ReplayAsync([.. args, "--scores", path]);
        return
        [
            .. File.ReadLines(path).Skip(1)
                .Select(line => line.Split(',')[1..].Select(cell => double.Parse(cell, CultureInfo.InvariantCulture)).ToArray()),
        ];
    }

    private async Task<string> SaidAsync(string[] args)
    {
        var output = new StringWriter();
        Assert.Equal(0, await Program.RunAsync(["replay", .. args, "--output", _folder.File("out.jsonl")], output, TextWriter.Null));
        return output.ToString().TrimEnd();
    }

    private async Task RefusesAsync(string[] args, string part)
    {
        var error = new StringWriter();
        Assert.Equal(
            1, await Program.RunAsync(["replay", .. args, "--output", _folder.File("out.jsonl")], TextWriter.Null, error));
        Assert.Single(error.ToString().TrimEnd().Split('\n'));
        Assert.Contains(part, error.ToString(), StringComparison.Ordinal);
    }

    private static string? Text(JsonElement line, string name) => line.GetProperty(name).GetString();

    private static string? Quality(JsonElement reading, string channel) =>
        reading.GetProperty("channels").GetProperty(channel).TryGetProperty("quality", out JsonElement quality)
            ? quality.GetString()
            : null;
}
