using System.Text.Json;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>Published recordings with known faults, from the trained model to the score, with the default settings.</summary>
[Trait("Runs", "kernels")]
public sealed class DetectionBenchmarkTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SharedDataFact]
    public async Task A_valve_that_is_being_closed_is_found_and_hours_without_a_fault_are_quiet()
    {
        string model = Quantize("skab-lstm64x2", "skab-anomaly-free.csv");
        string[] readings = [.. Enumerable.Range(0, 4).Select(i => SharedData.Readings($"skab-valve2-{i}.csv"))];
        JsonElement score = await ScoreAsync(model, readings, readings, skip: 400);
        Assert.InRange(score.GetProperty("f1").GetDouble(), 0.80, 1);
        Assert.InRange(score.GetProperty("false_alarm_rate").GetDouble(), 0, 0.15);
        Assert.Equal(4, score.GetProperty("windows_found").GetInt32());

        string calm = await ReplayAsync(model, SharedData.Readings("skab-anomaly-free.csv"), "calm.jsonl");
        Assert.InRange(File.ReadLines(calm).Count(line => line.Contains("\"event\":\"opened\"", StringComparison.Ordinal)), 0, 2);
    }

    [SharedDataFact]
    public async Task Both_failures_of_an_air_conditioning_are_found_with_at_most_two_false_alarms_in_seven_thousand_hours()
    {
        string model = Quantize("ambient-lstm32", "nab-ambient-temperature.csv");
        JsonElement score = await ScoreAsync(
            model,
            [SharedData.Readings("nab-ambient-temperature.csv")],
            [SharedData.Readings("nab-ambient-temperature.windows.json")],
            skip: 0);
        Assert.Equal(2, score.GetProperty("windows_found").GetInt32());
        Assert.InRange(score.GetProperty("false_detections").GetInt32(), 0, 2);
    }

    private string Quantize(string name, string calibration)
    {
        string model = _folder.File(name + ".safetensors");
        string[] args =
        [
            "quantize",
            SharedData.Model(name, "step.onnx"),
            "--manifest",
            SharedData.Model(name, "model.json"),
            "--calibration",
            SharedData.Readings(calibration),
            "-o",
            model,
        ];
        Assert.Equal(0, Edge.Quantize.Program.Run(args, TextWriter.Null, TextWriter.Null));
        return model;
    }

    private async Task<string> ReplayAsync(string model, string readings, string name)
    {
        string events = _folder.File(name);
        Assert.Equal(
            0,
            await Edge.Runtime.Program.RunAsync(
                ["replay", "--model", model, "--data", readings, "--output", events],
                TextWriter.Null,
                TextWriter.Null));
        return events;
    }

    private async Task<JsonElement> ScoreAsync(string model, string[] readings, string[] labels, int skip)
    {
        var events = new List<string>();
        foreach (string file in readings)
        {
            events.Add(await ReplayAsync(model, file, $"{events.Count}.jsonl"));
        }

        var output = new StringWriter();
        Assert.Equal(
            0,
            await Edge.Runtime.Program.RunAsync(
                ["score", "--events", .. events, "--labels", .. labels, "--skip", $"{skip}", "--json"],
                output,
                TextWriter.Null));
        return JsonDocument.Parse(output.ToString()).RootElement;
    }
}
