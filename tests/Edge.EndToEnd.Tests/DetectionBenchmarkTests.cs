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
        Assert.InRange(File.ReadLines(calm).Count(line => line.Contains("\"event\":\"opened\"", StringComparison.Ordinal)), 0, 4);
    }

    [SharedDataFact]
    public async Task The_failure_of_an_air_conditioning_that_was_not_trained_on_is_found()
    {
        string model = Quantize("ambient-lstm32", "nab-ambient-temperature.csv");
        JsonElement score = await ScoreAsync(
            model,
            [SharedData.Readings("nab-ambient-temperature.csv")],
            [SharedData.Readings("nab-ambient-temperature.windows.json")],
            skip: 0);

        // The other one lies in the training rows of this model.
        Assert.InRange(score.GetProperty("windows_found").GetInt32(), 1, 2);
        Assert.InRange(score.GetProperty("false_detections").GetInt32(), 0, 8);
    }

    [SharedDataTheory]
    [InlineData("compressor", 1)]
    [InlineData("coldstore", 1)]
    [InlineData("exchanger", 1)]
    public async Task Every_fault_of_a_plant_is_found_by_an_anomaly_that_stands(string plant, int falseMost)
    {
        string folder = Path.Combine(SharedData.Root, "plants");
        string model = Quantize(
            plant,
            Path.Combine(folder, $"{plant}.onnx"),
            Path.Combine(folder, $"{plant}.model.json"),
            Path.Combine(folder, $"{plant}-train.csv"));
        string events = await ReplayAsync(model, Path.Combine(folder, $"{plant}-test.csv"), $"{plant}.jsonl");
        (int Opened, int Closed)[] anomalies = [.. Anomalies(events)];
        using JsonDocument truth = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder, $"{plant}.json")));
        (int First, int Last)[] faults =
        [
            .. truth.RootElement.GetProperty("faults").EnumerateArray()
                .Select(fault => (fault.GetProperty("first_row").GetInt32(), fault.GetProperty("last_row").GetInt32())),
        ];
        Assert.All(faults, fault => Assert.Contains(anomalies, anomaly => Stands(anomaly, fault)));
        int wrong = anomalies.Count(
            anomaly => !Array.Exists(faults, fault => anomaly.Opened <= fault.Last + 20 && anomaly.Closed >= fault.First));
        Assert.InRange(wrong, 0, falseMost);
    }

    // A tenth of the fault, or 60 rows.
    private static bool Stands((int Opened, int Closed) anomaly, (int First, int Last) fault)
    {
        int needed = Math.Min(60, Math.Max(1, (fault.Last - fault.First) / 10));
        return anomaly.Opened >= fault.First && anomaly.Opened <= fault.Last + 20
            && Math.Min(anomaly.Closed, fault.Last) - anomaly.Opened + 1 >= needed;
    }

    private static IEnumerable<(int Opened, int Closed)> Anomalies(string events)
    {
        int opened = -1;
        foreach (string line in File.ReadLines(events).Where(line => line.Contains("\"event\"", StringComparison.Ordinal)))
        {
            using JsonDocument item = JsonDocument.Parse(line);
            int row = item.RootElement.GetProperty("seq").GetInt32() - 1;
            switch (item.RootElement.GetProperty("event").GetString())
            {
                case "opened":
                    opened = row;
                    break;
                case "closed":
                    yield return (opened, row);
                    opened = -1;
                    break;
            }
        }

        if (opened >= 0)
        {
            yield return (opened, int.MaxValue);
        }
    }

    private string Quantize(string name, string calibration) =>
        Quantize(name, SharedData.Model(name, "step.onnx"), SharedData.Model(name, "model.json"), SharedData.Readings(calibration));

    private string Quantize(string name, string onnx, string manifest, string calibration)
    {
        string model = _folder.File(name + ".safetensors");
        string[] args = ["quantize", onnx, "--manifest", manifest, "--calibration", calibration, "-o", model];
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
