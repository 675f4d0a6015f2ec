using System.Globalization;
using System.Text;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>From a recording to a model in one command, and back to forecasts.</summary>
public sealed class TrainTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_recording_as_people_have_them_becomes_a_model_that_replay_takes()
    {
        string recording = Untidy();
        string said = Train(
            recording, "--epochs", "4", "--hidden", "8", "--horizons", "1,4,24", "--calendar", "day,week", "--report",
            _folder.File("r.html"));

        Assert.Contains("column 'constant' never changes", said, StringComparison.Ordinal);
        Assert.Contains("'note' holds text", said, StringComparison.Ordinal);
        Assert.Contains("'row' only counts the rows", said, StringComparison.Ordinal);
        Assert.Contains("cells without a number (30 with text)", said, StringComparison.Ordinal);
        Assert.Contains("2 gaps", said, StringComparison.Ordinal);
        Assert.Contains("left out: 1 row not newer than the one before", said, StringComparison.Ordinal);
        Assert.Contains("marked as a fault in column 'anomaly'", said, StringComparison.Ordinal);
        Assert.Contains("ridge, 24 rows", said, StringComparison.Ordinal);
        Assert.Contains("Training", File.ReadAllText(_folder.File("r.html")), StringComparison.Ordinal);

        ModelManifest manifest = EdgeModel.Load(_folder.File("m.safetensors")).Manifest;
        Assert.Equal(["temp [degC]", "load"], manifest.Columns);
        Assert.Equal(["degC", ""], manifest.Units);
        Assert.Equal(3600, manifest.PeriodSeconds);
        Assert.Equal([CalendarInput.Day, CalendarInput.Week], manifest.Calendar);
        Assert.Equal(6, manifest.Outputs.Count);
        Assert.Equal(["persistence", "a day before", "ridge, 24 rows"], manifest.Baselines.Keys);
        Assert.All(manifest.OutputRmse!.Zip(manifest.Baselines["persistence"]), pair => Assert.True(pair.First < pair.Second));

        using RuntimeProcess replay = RuntimeProcess.Start(
            "replay", "--model", _folder.File("m.safetensors"), "--data", recording, "--output", _folder.File("e.jsonl"));
        Assert.Equal(0, await replay.ExitAsync());
        string last = File.ReadLines(_folder.File("e.jsonl")).Last(line => line.Contains("\"forecast", StringComparison.Ordinal));
        Assert.NotEmpty(JsonDocument.Parse(last).RootElement.EnumerateObject());
    }

    [Fact]
    public void A_model_is_scored_beside_another_one_and_says_where_it_was_learned()
    {
        string recording = _folder.Write("waves.csv", Rows(1000, i => string.Create(
            CultureInfo.InvariantCulture, $"{Math.Sin(i / 9.0):0.####},{Math.Cos(i / 7.0):0.####},4")).Replace(
                "time,a", "time,a,b,still", StringComparison.Ordinal));
        string[] options =
            ["--columns", "a", "b", "--epochs", "2", "--hidden", "4", "--cell", "gru", "--dropout", "0", "--horizons", "1,5"];
        Train(recording, options);
        File.Move(_folder.File("m.safetensors"), _folder.File("old.safetensors"));
        string said = Train(recording, [.. options, "--beside", _folder.File("old.safetensors"), "--learned-on", "shed", "--name", "n"]);

        // The very same model: its errors are the same in both tables.
        Assert.Contains("model in use", said, StringComparison.Ordinal);
        EdgeModel model = EdgeModel.Load(_folder.File("m.safetensors"));
        Assert.Equal(4, model.Manifest.OutputRmse!.Count);
        Assert.Equal("n", model.Manifest.Name);
        Assert.All(
            model.Manifest.OutputRmse.Zip(model.Manifest.Baselines["model in use"]),
            pair => Assert.InRange(pair.First / pair.Second, 0.9999, 1.0001));
        JsonElement provenance = JsonDocument.Parse(model.Provenance).RootElement;
        Assert.Equal("shed", provenance.GetProperty("learned_on").GetString());

        // Of a constant column nothing is learned, but who names it gets it.
        Assert.Contains("note: column 'still' never changes", Train(recording, "--columns", "a", "still", "--epochs", "1", "--hidden", "4",
            "--cell", "gru", "--dropout", "0", "--horizons", "1"), StringComparison.Ordinal);
        EdgeModel constant = EdgeModel.Load(_folder.File("m.safetensors"));
        Assert.Equal(["a", "still"], constant.Manifest.Columns);
        Assert.Equal(1, constant.Manifest.Std[1]);
        Refuses(
            "has the columns a, b every 60 s; the readings have a, still every 60 s", File.ReadAllText(recording),
            "--columns", "a", "still", "--epochs", "1", "--beside", _folder.File("old.safetensors"));
    }

    [Fact]
    public void Where_all_rows_that_score_are_faults_the_model_is_made_and_nothing_is_said_of_its_place()
    {
        string rows = Rows(1000, i => string.Create(CultureInfo.InvariantCulture, $"{Math.Sin(i / 9.0):0.####},{(i >= 750 ? 1 : 0)}"));
        File.WriteAllText(_folder.File("r.csv"), rows.Replace("time,a", "time,a,fault", StringComparison.Ordinal));
        Train(_folder.File("r.csv"), "--epochs", "2", "--hidden", "4", "--cell", "gru", "--dropout", "0", "--horizons", "1");
        ModelManifest manifest = EdgeModel.Load(_folder.File("m.safetensors")).Manifest;
        Assert.Empty(manifest.Baselines);
        Assert.All(manifest.OutputRmse!, error => Assert.True(double.IsFinite(error)));
    }

    [Theory]
    [InlineData("fault", true)]
    [InlineData("other", false)]
    public async Task A_fault_that_a_person_marked_is_not_normal_to_the_detector(string column, bool isOutside)
    {
        // Two channels that go together; for a tenth of the rows one is off by far.
        string rows = Rows(2000, i => string.Create(
            CultureInfo.InvariantCulture,
            $"{Math.Sin(i / 9.0) + (IsFault(i) ? 4 : 0):0.####},{Math.Sin((i - 3) / 9.0):0.####},{(IsFault(i) ? 1 : 0)}"));
        File.WriteAllText(_folder.File("r.csv"), rows.Replace("time,a", $"time,a,b,{column}", StringComparison.Ordinal));
        Train(
            _folder.File("r.csv"), "--columns", "a", "b", "--epochs", "2", "--hidden", "4", "--cell", "gru", "--dropout", "0", "--horizons",
            "1");
        using RuntimeProcess replay = RuntimeProcess.Start(
            "replay", "--model", _folder.File("m.safetensors"), "--data", _folder.File("r.csv"), "--output", _folder.File("e.jsonl"));
        Assert.Equal(0, await replay.ExitAsync());
        Assert.Equal(isOutside, replay.Error.Contains("outside what the model knows", StringComparison.Ordinal));

        static bool IsFault(int row) => row is >= 700 and < 900;
    }

    [Fact]
    public void The_same_seed_and_epochs_give_the_same_bytes()
    {
        string recording = Sine(900);
        Train(recording, "--epochs", "3", "--hidden", "8", "--cell", "gru", "--dropout", "0.1", "--horizons", "1,5");
        byte[] first = File.ReadAllBytes(_folder.File("m.safetensors"));
        Train(recording, "--epochs", "3", "--hidden", "8", "--cell", "gru", "--dropout", "0.1", "--horizons", "1,5");
        Assert.Equal(first, File.ReadAllBytes(_folder.File("m.safetensors")));
        Train(recording, "--epochs", "3", "--hidden", "8", "--cell", "gru", "--dropout", "0.1", "--horizons", "1,5", "--seed", "2");
        Assert.NotEqual(first, File.ReadAllBytes(_folder.File("m.safetensors")));
    }

    [Theory]
    [InlineData("lstm", "1")]
    [InlineData("gru", "2")]
    [InlineData("rnn", "1")]
    public void Every_cell_learns_what_a_regression_cannot_say(string cell, string layers)
    {
        // Two levels in turn, each held for eleven rows: how long it has been there is what counts.
        var text = new StringBuilder("time,level\n");
        var random = new Random(4);
        for (int row = 0; row < 3000; row++)
        {
            double level = row / 11 % 2 == 0 ? 1 : row / 22 % 3;
            text.Append(
                CultureInfo.InvariantCulture, $"{DateTime.UnixEpoch.AddSeconds(row):s}Z,{level + (0.01 * random.NextDouble()):0.####}\n");
        }

        File.WriteAllText(_folder.File("levels.csv"), text.ToString());
        Train(_folder.File("levels.csv"), "--cell", cell, "--layers", layers, "--hidden", "16", "--epochs", "60", "--horizons", "1,5");
        ModelManifest manifest = EdgeModel.Load(_folder.File("m.safetensors")).Manifest;
        Assert.True(manifest.OutputRmse![1] < 0.87 * manifest.Baselines["ridge, 24 rows"][1], "it is no better than ridge");
    }

    [Fact]
    public async Task What_came_a_hundred_rows_ago_is_used_where_it_tells_what_comes()
    {
        // A pattern of 90 rows that no clock knows, chance in each of its rows: the rows just before do not tell the next one.
        var random = new Random(7);
        double[] pattern = [.. Enumerable.Range(0, 90).Select(_ => random.NextDouble())];
        double level = 0;
        string recording = _folder.Write("r.csv", Rows(4000, i =>
        {
            level += 0.002 * (random.NextDouble() - 0.5);
            return string.Create(CultureInfo.InvariantCulture, $"{level + pattern[i % 90] + (0.05 * random.NextDouble()):0.####}");
        }));
        Train(recording, "--epochs", "2", "--hidden", "4", "--cell", "gru", "--dropout", "0", "--horizons", "1,30");

        EdgeModel model = EdgeModel.Load(_folder.File("m.safetensors"));
        Assert.Matches("lags and 1[0-9]+ of its own column", model.Architecture);
        Assert.All(
            model.Manifest.OutputRmse!.Zip(model.Manifest.Baselines["ridge, 24 rows"]),
            pair => Assert.InRange(pair.First / pair.Second, 0, 0.2));
        using RuntimeProcess replay = RuntimeProcess.Start(
            "replay", "--model", _folder.File("m.safetensors"), "--data", recording, "--output", _folder.File("e.jsonl"));
        Assert.Equal(0, await replay.ExitAsync());

        // A walk has nothing of the kind, and its model pays for nothing. A short recording is not asked to look far ahead.
        File.WriteAllText(recording, Rows(3000, i => string.Create(
            CultureInfo.InvariantCulture, $"{level += random.NextDouble() - 0.5:0.####}")));
        string walk = Train(recording, "--epochs", "2", "--hidden", "4", "--cell", "gru", "--dropout", "0", "--horizons", "1");
        Assert.Contains("chosen: the regression alone", walk, StringComparison.Ordinal);
        Assert.DoesNotContain("own column", EdgeModel.Load(_folder.File("m.safetensors")).Architecture, StringComparison.Ordinal);
        File.WriteAllText(recording, Rows(400, i => string.Create(CultureInfo.InvariantCulture, $"{Math.Sin(i / 9.0):0.####}")));
        string brief = Train(recording, "--epochs", "2", "--hidden", "4", "--cell", "gru", "--dropout", "0");
        Assert.Contains("left out: forecasts 60 rows ahead need a longer recording", brief, StringComparison.Ordinal);
        Assert.Equal([1, 10], EdgeModel.Load(_folder.File("m.safetensors")).Manifest.Outputs.Select(output => output.TicksAhead));
    }

    [Fact]
    public void What_cannot_be_learned_is_refused_with_one_sentence()
    {
        Refuses("have no column of numbers", "a,b\nx,y\nz,w\n");
        Refuses("at least 150 are needed", "time,a\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:01Z,2\n");
        Refuses("Name it with --time-column, or add --period", "a\n" + string.Join('\n', Enumerable.Range(0, 400).Select(i => $"{i % 7}")));
        Refuses("have no column that changes", Rows(400, _ => "3"));
        Refuses("too few to forecast 60 rows ahead", Rows(400, i => $"{i % 7}"), "--horizons", "60");
        Refuses("--target names 'b'", Rows(400, i => $"{i % 7}"), "--target", "b");
        Refuses("have no column 'b'", Rows(400, i => $"{i % 7}"), "--columns", "b");
        Refuses("--horizons: 'x'", Rows(400, i => $"{i % 7}"), "--horizons", "x");
        Refuses("--budget: '5 years'", Rows(400, i => $"{i % 7}"), "--budget", "5 years");
        Refuses(
            "--calendar needs the times", "a\n" + string.Join('\n', Enumerable.Range(0, 400).Select(i => $"{i % 7}")),
            "--period", "1", "--calendar", "day");
        Refuses("--calendar: 'month'", Rows(400, i => $"{i % 7}"), "--calendar", "month");
        Refuses("cannot be read", null);
    }

    [Fact]
    public void A_text_is_learned_through_an_embedding_to_a_softmax_and_generated_character_by_character()
    {
        File.WriteAllText(_folder.File("t.txt"), string.Concat(Enumerable.Repeat("the cell remembers what the gate lets in;\n", 90)));
        var output = new StringWriter();
        string model = _folder.File("t.safetensors");
        string[] args = ["train-text", _folder.File("t.txt"), "-o", model, "--hidden", "32", "--epochs", "60"];
        Assert.Equal(0, Edge.Quantize.Program.Run(args, output, output));
        Assert.Contains("bits a character", output.ToString(), StringComparison.Ordinal);
        Assert.True(EdgeModel.Load(model).ReadsSymbols);

        var text = new StringWriter();
        string[] generate = ["generate", model, "--start", "the cell", "--length", "60", "--temperature", "0.1"];
        Assert.Equal(0, Edge.Quantize.Program.Run(generate, text, text));
        Assert.StartsWith("the cell remembers what the gate lets in;\nthe cell remembers", text.ToString(), StringComparison.Ordinal);
        var again = new StringWriter();
        Edge.Quantize.Program.Run(generate, again, again);
        Assert.Equal(text.ToString(), again.ToString());

        File.WriteAllText(_folder.File("short.txt"), "short");
        RefusesText("at least 2000 are needed", "train-text", _folder.File("short.txt"), "-o", model);
        RefusesText("--temperature must be", "generate", model, "--temperature", "0");
        RefusesText("Use a model of train-text", "generate", RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors"));
    }

    [SharedDataFact]
    public void ETTh1_is_forecast_better_than_by_ridge_within_seconds()
    {
        Train(SharedData.Readings("ETTh1.csv"), "--epochs", "6", "--hidden", "16", "--cell", "gru", "--dropout", "0");
        ModelManifest manifest = EdgeModel.Load(_folder.File("m.safetensors")).Manifest;
        Assert.Equal([1, 6, 24], manifest.Outputs.Select(output => output.TicksAhead).Distinct());
        Assert.InRange(Pooled(manifest.OutputRmse!.Take(7)), 0.3, 0.37);
        Assert.InRange(Pooled(manifest.Baselines["ridge, 24 rows"].Take(7)), 0.385, 0.392);

        static double Pooled(IEnumerable<double> errors) => Math.Sqrt(errors.Average(error => error * error));
    }

    // Hourly rows in a time zone with a change of the clock, with everything that loggers leave behind.
    private string Untidy()
    {
        var text = new StringBuilder("row;time;temp [degC];load;constant;note;anomaly\n");
        var random = new Random(1);
        var time = new DateTimeOffset(2025, 9, 1, 0, 0, 0, TimeSpan.Zero);
        for (int row = 0; row < 1500; row++, time = time.AddHours(1))
        {
            double hour = 2 * Math.PI * time.Hour / 24;
            double temperature = 20 + (5 * Math.Sin(hour)) + (0.3 * random.NextDouble());
            double load = 3 + Math.Sin(hour + 1) + (0.2 * random.NextDouble());
            string cell = row % 50 == 7 ? "n/a?" : row % 40 == 3 ? "" : temperature.ToString("0.###", CultureInfo.InvariantCulture);
            if (row is 400 or 900)
            {
                time = time.AddHours(5);
            }

            string line = string.Create(
                CultureInfo.InvariantCulture,
                $"{row};{time:yyyy-MM-ddTHH:mm:ssZ};{cell};{load:0.###};7;ok;{(row is > 600 and < 620 ? 1 : 0)}\n");
            text.Append(line);
            if (row == 700)
            {
                text.Append(line);
            }
        }

        File.WriteAllText(_folder.File("untidy.csv"), text.ToString());
        return _folder.File("untidy.csv");
    }

    private string Sine(int rows)
    {
        File.WriteAllText(_folder.File("sine.csv"), Rows(rows, i => Math.Sin(i / 9.0).ToString("0.####", CultureInfo.InvariantCulture)));
        return _folder.File("sine.csv");
    }

    private static string Rows(int count, Func<int, string> value) =>
        "time,a\n" + string.Join('\n', Enumerable.Range(0, count).Select(i => $"{DateTime.UnixEpoch.AddSeconds(60 * i):s}Z,{value(i)}"));

    private string Train(string recording, params string[] options)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        string[] args = ["train", recording, "-o", _folder.File("m.safetensors"), .. options];
        Assert.True(Edge.Quantize.Program.Run(args, output, error) == 0, error.ToString());
        return output.ToString();
    }

    private static void RefusesText(string part, params string[] args)
    {
        var error = new StringWriter();
        Assert.Equal(1, Edge.Quantize.Program.Run(args, TextWriter.Null, error));
        Assert.Single(error.ToString().TrimEnd().Split('\n'));
        Assert.Contains(part, error.ToString(), StringComparison.Ordinal);
    }

    private void Refuses(string part, string? recording, params string[] options)
    {
        string path = _folder.File("bad.csv");
        File.Delete(path);
        if (recording is not null)
        {
            File.WriteAllText(path, recording);
        }

        var error = new StringWriter();
        string[] args = ["train", path, "-o", _folder.File("m.safetensors"), .. options];
        Assert.Equal(1, Edge.Quantize.Program.Run(args, TextWriter.Null, error));
        Assert.Single(error.ToString().TrimEnd().Split('\n'));
        Assert.Contains(part, error.ToString(), StringComparison.Ordinal);
    }
}
