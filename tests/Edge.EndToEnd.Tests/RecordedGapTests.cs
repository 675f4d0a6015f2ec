using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// A channel that gives nothing for two hours, recorded, calibrated on and streamed: ../shared/cases/model/record. What a stream does
/// with the missing values, quantize does too.
/// </summary>
public sealed class RecordedGapTests : IDisposable
{
    private const int Rows = 288;
    private const int GapRows = 12;

    private static readonly string Cases = Path.Combine(SharedData.Root, "..", "cases", "model");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SharedDataFact]
    public async Task What_a_stream_holds_and_skips_quantize_holds_and_skips_too()
    {
        string config = Path.Combine(Cases, "record", "edge.yaml");
        string data = _folder.File("readings.csv");
        using RuntimeProcess record = RuntimeProcess.Start("record", "--config", config, "--output", data, "--for", "48h");
        Assert.Equal(0, await record.ExitAsync());
        string[][] rows = [.. File.ReadLines(data).Skip(1).Select(line => line.Split(','))];
        Assert.Equal(Rows, rows.Length);
        int[] empty = [.. Enumerable.Range(0, Rows).Where(row => rows[row][2].Length == 0)];
        Assert.Equal(Enumerable.Range(20 * 6, GapRows), empty);
        Assert.All(rows, row => Assert.True(row[1].Length > 0 && row[3].Length > 0));

        using RuntimeProcess replay = RuntimeProcess.Start(
            "replay", "--config", config, "--data", data, "--output", _folder.File("float.jsonl"));
        Assert.Equal(0, await replay.ExitAsync());
        int skipped = Skipped(replay.Output);
        Assert.InRange(skipped, 1, GapRows - 1);

        using var output = new StringWriter();
        using var error = new StringWriter();
        string[] quantize =
        [
            "quantize", Path.Combine(Cases, "two_heads.onnx"), "--manifest", Path.Combine(Cases, "field.json"), "--calibration", data,
                "-o", _folder.File("m.safetensors"),
        ];
        Assert.True(Edge.Quantize.Program.Run(quantize, output, error) == 0, error.ToString());
        Assert.Contains(
            $"missing values: {GapRows - skipped} replaced by the last one, {skipped} rows left out, as a stream does",
            output.ToString(),
            StringComparison.Ordinal);
        Assert.Contains($"import: equals ONNX Runtime over {Rows - skipped} rows", output.ToString(), StringComparison.Ordinal);

        using RuntimeProcess int8 = RuntimeProcess.Start(
            "replay", "--model", _folder.File("m.safetensors"), "--data", data, "--output", _folder.File("int8.jsonl"));
        Assert.Equal(0, await int8.ExitAsync());
        Assert.Equal(skipped, Skipped(int8.Output));
    }

    // "288 rows, 280 forecasts, 0 anomalies, 7 rows missing or without usable values -> …"
    private static int Skipped(string output)
    {
        Assert.Contains($"{Rows} rows, ", output, StringComparison.Ordinal);
        string count = output[..output.IndexOf(" rows missing or without usable values", StringComparison.Ordinal)];
        return int.Parse(count[(count.LastIndexOf(' ') + 1)..]);
    }
}
