using System.Globalization;
using System.Text.Json;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary><c>score</c> over files that are written by hand: figures per file and of all files together.</summary>
public sealed class ScoreCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Several_files_give_a_line_each_above_the_pooled_figures()
    {
        (string[] events, string[] labels) = TwoRuns();
        string output = await ScoreAsync(["--events", .. events, "--labels", .. labels]);
        string[] lines = output.TrimEnd().Split('\n');
        Assert.Matches("^file +f1 +false alarm rate +missed rate +windows found +false detections +nab standard$", lines[0]);

        // The first run finds its window at the first row; the second misses its own and opens once elsewhere.
        Assert.Matches("a.jsonl +1 +0 +0 +1 of 1 +0 +100$", lines[1]);
        Assert.Matches("b.jsonl +0 +0.05 +1 +0 of 1 +1 +-5.5$", lines[2]);
        Assert.Equal("", lines[3]);
        Assert.Matches("^precision +0.9091$", lines[4]);
        Assert.Matches("^windows found +1$", lines[10]);

        string one = await ScoreAsync(["--events", events[0], "--labels", labels[0]]);
        Assert.StartsWith("precision", one, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 0, true, "recall", "the labels have no fault in the rows that are scored")]
    [InlineData(0, 0, false, "precision", "the labels have no fault in the rows that are scored")]
    [InlineData(20, 30, false, "precision", "no fault was found")]
    [InlineData(0, 30, true, "false alarm rate", "all rows that are scored are faults")]
    public async Task A_figure_that_does_not_exist_is_none_and_why_is_said(int first, int end, bool alarms, string figure, string why)
    {
        string events = alarms ? WriteRun("a.jsonl", 30, (10, 20)) : WriteRun("a.jsonl", 30);
        string output = await ScoreAsync(["--events", events, "--labels", WriteLabels("a.csv", 30, first, end)]);
        Assert.DoesNotContain("NaN", output, StringComparison.Ordinal);
        Assert.Matches($"(?m)^{figure} +none$", output);
        Assert.Contains($"none: {why}", output.TrimEnd().Split('\n')[^1], StringComparison.Ordinal);

        (string[] runs, string[] labels) = TwoRuns();
        Assert.DoesNotContain("none", await ScoreAsync(["--events", .. runs, "--labels", .. labels]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_has_the_pooled_figures_and_the_same_of_each_file()
    {
        (string[] events, string[] labels) = TwoRuns();
        JsonElement root = await JsonAsync(["--events", .. events, "--labels", .. labels]);
        Assert.Equal((2, 1, 1), (Whole(root, "windows"), Whole(root, "windows_found"), Whole(root, "false_detections")));
        JsonElement[] files = [.. root.GetProperty("files").EnumerateArray()];
        Assert.Equal(events, files.Select(file => file.GetProperty("file").GetString()));
        string[] figures = [.. root.EnumerateObject().Select(figure => figure.Name).Where(name => name != "files")];
        Assert.All(files, file => Assert.Equal(["file", .. figures], file.EnumerateObject().Select(figure => figure.Name)));

        // The benchmark adds up its files: the pooled score of files with a window each is their mean.
        Assert.Equal(
            files.Average(file => file.GetProperty("nab_standard").GetDouble()), root.GetProperty("nab_standard").GetDouble(), 9);
    }

    [Fact]
    public async Task A_window_does_not_reach_from_one_file_into_the_next()
    {
        string a = WriteRun("a.jsonl", 20, (15, 20));
        string b = WriteRun("b.jsonl", 20);
        string labelsA = WriteLabels("a.csv", 20, 15, 20);
        string labelsB = WriteLabels("b.csv", 20, 0, 5);
        JsonElement root = await JsonAsync(["--events", a, b, "--labels", labelsA, labelsB]);
        Assert.Equal((2, 1), (Whole(root, "windows"), Whole(root, "windows_found")));
    }

    [Theory]
    [InlineData("0", 3)]
    [InlineData("10", 3)]
    [InlineData("11", 2)]
    [InlineData("1%", 2)]
    [InlineData("15%", 1)]
    [InlineData("nab", 2)]
    [InlineData("999999", 0)]
    public async Task Rows_at_the_start_are_left_out_as_a_number_a_share_or_as_the_benchmark_does(string skip, int openings)
    {
        // Of 6000 rows, 15 % are 900; the benchmark leaves out at most 750.
        string events = WriteRun("a.jsonl", 6000, (10, 30), (800, 820), (5000, 5020));
        string labels = WriteLabels("a.csv", 6000, 0, 0);
        JsonElement root = await JsonAsync(["--events", events, "--labels", labels, "--skip", skip]);
        Assert.Equal(openings, Whole(root, "false_detections"));
    }

    // The recording has a row twice, which a replay leaves out, and one more at its end.
    [Theory]
    [InlineData("yyyy-MM-dd'T'HH:mm:ss'Z'")]
    [InlineData("yyyy-MM-dd HH:mm:ss.ffffff")]
    public async Task Labels_with_times_belong_to_the_readings_of_these_times(string format)
    {
        string events = WriteRun("a.jsonl", 30, (10, 20));
        int[] rows = [.. Enumerable.Range(0, 6), 5, .. Enumerable.Range(6, 25)];
        string[] lines = [.. rows.Select(row => $"{Time(row, format)},{(row is >= 10 and < 20 ? 1 : 0)}")];
        (string output, string said) = await ScoreBothAsync(
            ["--events", events, "--labels", _folder.Write("a.csv", "time,anomaly\n" + string.Join('\n', lines))]);
        Assert.Matches("(?m)^f1 +1$", output);
        Assert.Equal($"Labels '{_folder.File("a.csv")}': 2 rows have no reading, the first in line 8, and are left out.", said.TrimEnd());

        // In any order, and without a note where each row has its reading.
        lines = [.. lines[..^1].Distinct().Reverse()];
        (output, said) = await ScoreBothAsync(
            ["--events", events, "--labels", _folder.Write("a.csv", "time,anomaly\n" + string.Join('\n', lines))]);
        Assert.Matches("(?m)^f1 +1$", output);
        Assert.Equal("", said);
    }

    [Fact]
    public async Task Labels_that_lack_the_time_of_a_reading_are_those_of_the_rows_in_order_or_refused()
    {
        string events = WriteRun("a.jsonl", 30, (10, 20));
        string[] lines = [.. Enumerable.Range(0, 31).Select(row => $"{Time(row + 3600)},{(row is >= 10 and < 20 ? 1 : 0)}")];
        Assert.Matches("(?m)^f1 +1$", await ScoreAsync(["--events", events, "--labels", Labels(lines[..30])]));
        await RefusesAsync(
            ["--events", events, "--labels", Labels(lines)], "have 31 rows, but the events are of 30 readings.", "a column 'time'");

        string Labels(string[] rows) => _folder.Write("a.csv", "time,anomaly\n" + string.Join('\n', rows));
    }

    [Fact]
    public async Task Wrong_input_is_named()
    {
        (string[] events, string[] labels) = TwoRuns();
        foreach (string skip in new[] { "-1", "1.5", "100%", "-3%", "%", "NaN%", "many" })
        {
            await RefusesAsync(
                ["--events", events[0], "--labels", labels[0], $"--skip={skip}"], $"--skip is '{skip}'; use a number of rows");
        }

        await RefusesAsync(["--events", .. events, "--labels", labels[0]], "--events names 2 files and --labels 1");
        string empty = _folder.Write("empty.jsonl", "");
        await RefusesAsync(["--events", empty, "--labels", labels[0]], "have no readings", "Replay with 'reading' in 'publish'");
    }

    private (string[] Events, string[] Labels) TwoRuns() => (
        [WriteRun("a.jsonl", 30, (10, 20)), WriteRun("b.jsonl", 30, (5, 6))],
        [WriteLabels("a.csv", 30, 10, 20), WriteLabels("b.csv", 30, 20, 30, "True", "no")]);

    // Rows a second apart; each anomaly is open from its first row up to the row that closes it.
    private string WriteRun(string name, int rows, params (int Open, int Close)[] anomalies)
    {
        var lines = new List<string>();
        for (int row = 0; row < rows; row++)
        {
            string time = Time(row);
            lines.Add($$$"""{"time":"{{{time}}}","channels":{}}""");
            lines.AddRange(anomalies.Where(anomaly => anomaly.Close == row)
                .Select(_ => $$"""{"time":"{{time}}","event":"closed","started":"{{time}}"}"""));
            lines.AddRange(anomalies.Where(anomaly => anomaly.Open == row)
                .Select(_ => $$"""{"time":"{{time}}","event":"opened","started":"{{time}}"}"""));
        }

        return _folder.Write(name, string.Join('\n', lines));
    }

    private string WriteLabels(string name, int rows, int first, int end, string yes = "1", string no = "0") => _folder.Write(
        name, "anomaly\n" + string.Join('\n', Enumerable.Range(0, rows).Select(row => row >= first && row < end ? yes : no)));

    private static string Time(int row, string format = "o") =>
        new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(row).ToString(format, CultureInfo.InvariantCulture);

    private static int Whole(JsonElement root, string name) => root.GetProperty(name).GetInt32();

    private static async Task<JsonElement> JsonAsync(string[] args) =>
        JsonDocument.Parse(await ScoreAsync([.. args, "--json"])).RootElement;

    private static async Task<string> ScoreAsync(string[] args) => (await ScoreBothAsync(args)).Output;

    private static async Task<(string Output, string Said)> ScoreBothAsync(string[] args)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        Assert.Equal(0, await Program.RunAsync(["score", .. args], output, error));
        return (output.ToString(), error.ToString());
    }

    private static async Task RefusesAsync(string[] args, params string[] parts)
    {
        var error = new StringWriter();
        Assert.Equal(1, await Program.RunAsync(["score", .. args], TextWriter.Null, error));
        Assert.Single(error.ToString().TrimEnd().Split('\n'));
        Assert.All(parts, part => Assert.Contains(part, error.ToString(), StringComparison.Ordinal));
    }
}
