using System.Globalization;
using System.Text.Json;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>Streams whose model reads a symbol beside the readings, from a column or from the calendar.</summary>
public sealed class SymbolStreamTests : IDisposable
{
    private const int HoldTicks = 5;
    private const int Rows = 700;

    private static readonly string Graph = Path.Combine(SharedData.Root, "..", "cases", "model", "torch_day_embedding.onnx");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // The committed vector: five readings, and eleven symbols in the last column.
    [Fact]
    public async Task A_cell_that_is_no_symbol_is_a_missing_value_and_the_model_steps_without_it()
    {
        string model = RepositoryFile.Path("docs/int8-vector/symbol/model.safetensors");
        string[] wrong = ["7.5", "-1", "11", "nan", "1e300", "", "9e18"];
        const int First = 20;
        var csv = new List<string> { "time,c0,c1,c2,c3,c4,c5" };
        var rows = new List<double[]>();
        for (int row = 0; row < 60; row++)
        {
            double[] values = [.. Enumerable.Range(0, 5).Select(i => Math.Sin(row + i)), row / 3 % 11];
            rows.Add(values);
            string[] cells = [.. values.Select(value => value.ToString("R", CultureInfo.InvariantCulture))];
            cells[5] = row >= First && row < First + wrong.Length ? wrong[row - First] : cells[5];
            csv.Add($"2026-01-01T00:00:{row:00}Z,{string.Join(',', cells)}");
        }

        JsonElement[] lines = await ReplayAsync(model, _folder.Write("x.csv", string.Join('\n', csv)));
        Dictionary<long, double[]> forecasts = Forecasts(lines, "c0", "c1", "c2");
        var session = new InferenceSession(EdgeModel.Load(model));
        double[] expected = new double[3];
        for (int row = 0; row < rows.Count; row++)
        {
            int bad = row - First;
            bool isWrong = bad >= 0 && bad < wrong.Length;
            string quality = !isWrong ? "good" : bad < HoldTicks ? "held" : wrong[bad].Length == 0 ? "missing" : "invalid";
            Assert.Equal(quality, Quality(lines, row + 1, "c5"));
            if (isWrong && bad >= HoldTicks)
            {
                Assert.DoesNotContain(row + 1, forecasts.Keys);
                continue;
            }

            rows[row][5] = isWrong ? rows[First - 1][5] : rows[row][5];
            session.StepInUnits(rows[row], expected);
            if (row > 0)
            {
                Assert.All(
                    expected.Zip(forecasts[row + 1]),
                    pair => Assert.Equal(pair.First, pair.Second, 1e-5 * (1 + Math.Abs(pair.First))));
            }
        }
    }

    [SharedDataFact]
    public async Task A_day_of_the_week_from_a_column_and_from_the_calendar_is_the_same_in_both_engines_and_no_anomaly()
    {
        string data = WriteRows();
        string calibration = _folder.Write("calibration.csv", string.Join('\n', File.ReadLines(data).Take(1 + 400)));
        var forecasts = new Dictionary<string, Dictionary<long, double[]>>();
        foreach (string from in new[] { "column", "calendar" })
        {
            File.Copy(Graph, _folder.File($"{from}.onnx"));
            string manifest = _folder.Write($"{from}.json", Manifest(isColumn: from == "column"));
            string int8 = _folder.File($"{from}.safetensors");
            Quantize(_folder.File($"{from}.onnx"), manifest, calibration, int8);
            foreach (string model in new[] { _folder.File($"{from}.onnx"), int8 })
            {
                JsonElement[] lines = await ReplayAsync(model, data);
                Assert.DoesNotContain(lines, line => line.TryGetProperty("event", out _) && line.ToString().Contains("dow"));
                forecasts[$"{from}{Path.GetExtension(model)}"] = Forecasts(lines, "a", "b");
            }
        }

        Assert.Equal(Rows - 1, forecasts["column.onnx"].Count);
        Assert.Equal(forecasts["column.onnx"], forecasts["calendar.onnx"]);
        Assert.Equal(forecasts["column.safetensors"], forecasts["calendar.safetensors"]);
        double[] differences =
        [
            .. forecasts["column.onnx"].Select(entry => entry.Value[0] - forecasts["column.safetensors"][entry.Key][0]),
        ];
        double[] values = [.. forecasts["column.onnx"].Values.Select(each => each[0])];
        double deviation = Math.Sqrt(values.Average(value => Math.Pow(value - values.Average(), 2)));
        Assert.InRange(Math.Sqrt(differences.Average(each => each * each)) / deviation, 1e-6, 0.01);
    }

    [SharedDataTheory]
    [InlineData("torch_day_embedding", "'a', 'b', 'c'", "'hour'", "'hour' with 24 symbols, but the model knows 7")]
    [InlineData("torch_day_embedding", "'a', 'b', 'c'", "'weekday', 'hour'", "3 columns and 2 inputs of its calendar")]
    [InlineData("torch_day_embedding", "'a', 'b'", "'weekday', 'hour'", "must end with the only symbol in it, hour or weekday")]
    [InlineData("torch_day_embedding", "'a', 'b'", "'week'", "must end with the only symbol in it, hour or weekday")]
    [InlineData("two_heads", "'a', 'b'", "'weekday'", "'weekday', the number of a symbol, but the model looks no symbol up")]
    public async Task A_calendar_that_does_not_fit_the_model_is_refused_by_both_engines(
        string graph, string columns, string calendar, string sentence)
    {
        string data = WriteRows();
        string model = _folder.File("m.onnx");
        File.Copy(Path.Combine(Path.GetDirectoryName(Graph)!, $"{graph}.onnx"), model);
        string zeros = string.Join(", ", columns.Split(',').Select(_ => "0"));
        string manifest = _folder.Write(
            "m.json",
            $$"""
            {"name": "m", "columns": [{{columns}}], "period_seconds": 3600, "mean": [{{zeros}}], "std": [{{zeros.Replace('0', '1')}}],
             "calendar": [{{calendar}}], "outputs_named": ["a[t+1]", "b[t+1]"]}
            """.Replace('\'', '"'));
        using RuntimeProcess replay = RuntimeProcess.Start("replay", "--model", model, "--data", data, "--output", _folder.File("y.jsonl"));
        Assert.Equal(1, await replay.ExitAsync());
        Assert.Contains(sentence, replay.Error, StringComparison.Ordinal);
        using var error = new StringWriter();
        string[] quantize = ["quantize", model, "--manifest", manifest, "--calibration", data, "-o", _folder.File("m")];
        Assert.Equal(1, Edge.Quantize.Program.Run(quantize, TextWriter.Null, error));
        Assert.Contains(sentence, error.ToString(), StringComparison.Ordinal);
    }

    // Hours from a Monday on.
    private string WriteRows()
    {
        var random = new Random(6);
        var lines = new List<string> { "time,a,b,c,dow" };
        for (int row = 0; row < Rows; row++)
        {
            DateTime time = new DateTime(2024, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddHours(row);
            double turn = row / 24.0 * 2 * Math.PI;
            double[] values = [.. Enumerable.Range(0, 3).Select(i => Math.Sin(turn + i) + (0.3 * random.NextDouble()))];
            lines.Add(string.Create(
                CultureInfo.InvariantCulture, $"{time:s}Z,{values[0]:0.0000},{values[1]:0.0000},{values[2]:0.0000},{row / 24 % 7}"));
        }

        return _folder.Write("x.csv", string.Join('\n', lines));
    }

    private static string Manifest(bool isColumn) =>
        $$"""
        {"name": "m", "columns": ["a", "b", "c"{{(isColumn ? ", \"dow\"" : "")}}], "period_seconds": 3600,
         "mean": [0, 0, 0{{(isColumn ? ", 0" : "")}}], "std": [1, 1, 1{{(isColumn ? ", 1" : "")}}],
         {{(isColumn ? "" : "\"calendar\": [\"weekday\"],")}} "outputs_named": ["a[t+1]", "b[t+1]"]}
        """;

    private static void Quantize(string model, string manifest, string calibration, string output)
    {
        using var error = new StringWriter();
        int code = Edge.Quantize.Program.Run(
            ["quantize", model, "--manifest", manifest, "--calibration", calibration, "-o", output], TextWriter.Null, error);
        Assert.True(code == 0, error.ToString());
    }

    private async Task<JsonElement[]> ReplayAsync(string model, string data)
    {
        string output = _folder.File("out.jsonl");
        using RuntimeProcess replay = RuntimeProcess.Start("replay", "--model", model, "--data", data, "--output", output);
        Assert.Equal(0, await replay.ExitAsync());
        return [.. File.ReadLines(output).Select(line => JsonDocument.Parse(line).RootElement)];
    }

    private static Dictionary<long, double[]> Forecasts(JsonElement[] lines, params string[] columns) => lines
        .Where(line => line.TryGetProperty("interval", out _))
        .ToDictionary(
            line => line.GetProperty("seq").GetInt64(),
            line => columns
                .Select(column => line.GetProperty("channels").GetProperty(column).GetProperty("value")[0].GetDouble())
                .ToArray());

    private static string Quality(JsonElement[] lines, long seq, string column)
    {
        JsonElement reading = lines.First(line => line.TryGetProperty("channels", out _) && !line.TryGetProperty("interval", out _)
            && !line.TryGetProperty("event", out _) && line.GetProperty("seq").GetInt64() == seq);
        return reading.GetProperty("channels").GetProperty(column).TryGetProperty("quality", out JsonElement quality)
            ? quality.GetString()! : "good";
    }
}
