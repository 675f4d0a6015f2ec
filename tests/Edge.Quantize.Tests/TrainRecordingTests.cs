using System.Globalization;
using System.Text;
using System.Text.Json;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Learning;
using Edge.Sensors.Replay;
using Edge.Testing;
using MathNet.Numerics.LinearAlgebra;

namespace Edge.Quantize.Tests;

/// <summary>What <c>train</c> does with recordings that are too wide, have a wrong time, or are written in an unusual way.</summary>
public sealed partial class TrainRecordingTests : IDisposable
{
    private const string Manifest =
        """{"columns":["c0","c1"],"period_seconds":3600,"mean":[0.1,0],"std":[0.7,0.8],"calendar":["day"],"outputs_named":["c0[t+1]"]}""";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(257)]
    [InlineData(2_000)]
    [InlineData(10_000)]
    public void More_than_256_columns_are_refused_before_any_work(int columns)
    {
        string[] train = ["train", Recording(columns, rows: 300), "-o", _folder.File("m.safetensors")];
        CommandLine.Refuses(train, $"{columns} columns to learn from", "at most 256", "--columns");
        Assert.False(File.Exists(_folder.File("m.safetensors")));

        string[] named = [.. Enumerable.Range(0, columns).Select(i => $"c{i}")];
        CommandLine.Refuses([.. train, "--columns", .. named], $"{columns} columns to learn from", "at most 256");
    }

    [Fact]
    public void Columns_that_never_change_do_not_count()
    {
        TrainingRows rows = Load(Recording(300, rows: 300, changing: 3));
        Assert.Equal(["c0", "c1", "c2"], rows.Columns.Select(column => column.Name));
    }

    [Fact]
    public void A_matrix_that_is_not_positive_definite_gets_a_larger_penalty()
    {
        Matrix<double> matrix = Matrix<double>.Build.DenseOfArray(new double[,] { { 1, 1 }, { 1, 1 - 1e-10 } });
        Assert.Throws<ArgumentException>(() => matrix.Cholesky());

        Vector<double> solved = PositiveDefinite.Factorize(matrix).Solve(Vector<double>.Build.DenseOfArray([1, 1]));
        Assert.Equal(1, solved.Sum(), 1e-6);
    }

    [Fact]
    public void A_matrix_that_is_not_finite_is_refused_with_one_sentence() => Assert.Contains(
        "too large to calculate with",
        Assert.Throws<Inference.InputException>(
            () => PositiveDefinite.Factorize(Matrix<double>.Build.Dense(2, 2, double.PositiveInfinity))).Message,
        StringComparison.Ordinal);

    [Theory]
    [InlineData(200, "time,c0", "time")]
    [InlineData(1, "UTC,degC", "UTC")]
    [InlineData(401, "Average,0.1", "Average")]
    public void A_row_of_words_is_named_with_its_line(int above, string row, string word)
    {
        List<string> lines = [.. File.ReadAllLines(Recording(1, rows: 400))];
        lines.Insert(above, row);
        string sentence = $"line {above + 1}: '{word}' is no time but a word, as in a header, a row of units or totals: remove the row.";
        Refuses(lines);
        DateTime time = default;
        Refuses([lines[0], .. lines[1..].Select(line => DateTime.TryParse(line.Split(',')[0], CultureInfo.InvariantCulture, out time)
            ? $"{new DateTimeOffset(time).ToUnixTimeSeconds()},{line.Split(',')[1]}"
            : line)]);

        void Refuses(IEnumerable<string> all) => CommandLine.Refuses(
            ["train", _folder.Write("w.csv", string.Join('\n', all)), "-o", _folder.File("m.safetensors")], sentence);
    }

    [Fact]
    public void Lines_above_the_header_are_named()
    {
        string[] lines = ["# Logger 175", "# Serial 4711", .. File.ReadAllLines(Recording(1, rows: 400))];
        string[] train = ["train", _folder.Write("h.csv", string.Join('\n', lines)), "-o", _folder.File("m.safetensors")];
        const string Advice = "line 1 begins with '#'";
        CommandLine.Refuses(train, "have no column of numbers", Advice, "emove the lines above the names of the columns");
        CommandLine.Refuses([.. train, "--columns", "c0"], "have no column 'c0'", Advice);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Only_one_of_two_files_needs_a_column_that_marks_faults(int labelled)
    {
        string[] lines = File.ReadAllLines(Recording(1, rows: 400));
        string[] files = [.. Enumerable.Range(0, 2).Select(file => _folder.Write(
            $"{file}.csv",
            string.Join(
                '\n', file != labelled ? lines : lines.Select((line, at) => line + (at == 0 ? ",anomaly" : at < 11 ? ",1" : ",0")))))];
        TrainingRows rows = TrainingRows.Load([.. files.Select(file => new ReplayOptions { File = file })], [], null);
        Assert.Equal(["c0"], rows.Columns.Select(column => column.Name));
        Assert.Equal(Enumerable.Range(400 * labelled, 10), Enumerable.Range(0, 800).Where(row => rows.IsFault[row]));
    }

    [Theory]
    [InlineData("yes", "No")]
    [InlineData("TRUE", "false")]
    [InlineData("1", "")]
    public void Rows_are_marked_as_faults_in_numbers_or_in_words(string yes, string no)
    {
        string[] lines = File.ReadAllLines(Recording(1, rows: 400));
        TrainingRows rows = Load(Marked());
        Assert.Equal(Enumerable.Range(0, 10), Enumerable.Range(0, 400).Where(row => rows.IsFault[row]));
        lines[20] += ",perhaps";
        Assert.EndsWith(
            "line 21, column 'fault': 'perhaps' does not say whether the row is a fault. Write 0 or 1, no or yes, or false or true.",
            Assert.Throws<InputException>(() => Load(Marked())).Message,
            StringComparison.Ordinal);

        string Marked() => _folder.Write(
            "f.csv",
            string.Join('\n', lines.Select((line, at) => at == 20 && line.EndsWith("perhaps", StringComparison.Ordinal) ? line
                : $"{line},{(at == 0 ? "fault" : at < 11 ? yes : no)}")));
    }

    // As a spreadsheet in German writes it, with the unit in every cell.
    [Fact]
    public void Units_behind_the_numbers_and_a_line_that_names_the_separator_are_read()
    {
        string[] lines = File.ReadAllLines(Recording(1, rows: 400));
        string[] written = ["sep=;", .. lines.Select((line, at) => line.Replace(',', ';').Replace('.', ',') + (at == 0 ? "" : " °C"))];
        TrainingRows rows = Load(_folder.Write("u.csv", string.Join("\r\n", written)));
        TrainingRows points = Load(_folder.Write("p.csv", string.Join('\n', lines)));
        Assert.Equal(["c0"], rows.Columns.Select(column => column.Name));
        Assert.Equal(points.Values, rows.Values);
        written[300] = written[300].Replace("°C", "K", StringComparison.Ordinal);
        Assert.Contains(
            "line 301, column 'c0': ",
            Assert.Throws<InputException>(() => Load(_folder.Write("k.csv", string.Join('\n', written)))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Quoted_decimal_commas_are_read()
    {
        string[] lines = File.ReadAllLines(Recording(1, rows: 400));
        string[] quoted =
            [lines[0], .. lines[1..].Select(line => line.Replace(",", ",\"", StringComparison.Ordinal).Replace('.', ',') + '"')];
        TrainingRows rows = Load(_folder.Write("q.csv", string.Join('\n', quoted)));
        TrainingRows points = Load(_folder.Write("p.csv", string.Join('\n', lines)));
        Assert.Equal(points.Mean, rows.Mean);
        Assert.Equal(points.Values, rows.Values);
    }

    [Fact]
    public void Decimal_commas_are_read_by_quantize_and_profile_too()
    {
        string[] lines = File.ReadAllLines(Recording(2, rows: 400));
        string points = _folder.Write("p.csv", string.Join('\n', lines));
        string commas = _folder.Write("c.csv", string.Join('\n', lines).Replace(',', ';').Replace('.', ','));
        string manifest = _folder.Write("m.json", Manifest);
        ModelManifest parsed = ModelManifest.Parse(File.ReadAllBytes(manifest));
        ReadingsFile expected = ReadingsFile.Load(new ReplayOptions { File = points }, parsed);
        ReadingsFile read = ReadingsFile.Load(new ReplayOptions { File = commas }, parsed);
        Assert.Equal(400, read.RowCount);
        Assert.Equal(expected.Rows(400).ToArray(), read.Rows(400).ToArray());

        string[] profiles = [.. new[] { points, commas }.Select(file =>
        {
            CommandLine.Done("profile", manifest, "--calibration", file, "-o", _folder.File("p.json"));
            return File.ReadAllText(_folder.File("p.json"));
        })];
        Assert.Equal(profiles[0], profiles[1]);
    }

    // As an Excel in German writes it.
    [Fact]
    public void Recordings_in_Windows_1252_keep_the_names_of_their_columns()
    {
        string csv = File.ReadAllText(Recording(2, rows: 400)).Replace("c0", "Temp °C", StringComparison.Ordinal);
        File.WriteAllText(_folder.File("l.csv"), csv, Encoding.Latin1);
        string said = CommandLine.Done(
            "train", _folder.File("l.csv"), "-o", _folder.File("m.safetensors"), "--epochs", "1", "--hidden", "4", "--cell", "rnn",
            "--horizons", "1");
        const string Sentence = "l.csv' are not UTF-8 and are read as Windows-1252.";
        Assert.Single(said.Split('\n'), line => line.EndsWith(Sentence, StringComparison.Ordinal));
        Assert.Equal("Temp °C", EdgeModel.Load(_folder.File("m.safetensors")).Manifest.Columns[0]);
        said = CommandLine.Done(
            "profile", _folder.File("m.safetensors"), "--calibration", _folder.File("l.csv"), "-o", _folder.File("p.safetensors"));
        Assert.Contains(Sentence, said, StringComparison.Ordinal);
    }

    // The detector learns the course of the day from times that it can read; a model without a calendar needs none.
    [Theory]
    [InlineData(287, true)]
    [InlineData(288, false)]
    public void Rows_of_less_than_a_day_are_said_where_a_detector_learns_from_them(int seconds, bool isSaid)
    {
        const string Sentence = "these rows are of less than a day: what only other times of the day bring will look abnormal";
        var begin = new DateTime(2026, 1, 5, 0, 0, 0, DateTimeKind.Utc);
        IEnumerable<string> lines = Enumerable.Range(0, 300).Select(row => string.Create(
            CultureInfo.InvariantCulture, $"{begin.AddSeconds(row * seconds):s}Z,{Math.Sin(row / 9.0) + (0.1 * (row % 5)):0.000}"));
        string rows = _folder.Write("day.csv", "time,a\n" + string.Join('\n', lines));
        string model = _folder.File("m.safetensors");
        string said = CommandLine.Done("train", rows, "-o", model, "--budget", "1s");
        string profiled = CommandLine.Done("profile", model, "--calibration", rows, "-o", _folder.File("p.safetensors"));
        Assert.Equal(isSaid, said.Contains(Sentence, StringComparison.Ordinal));
        Assert.Equal(isSaid, profiled.Contains(Sentence, StringComparison.Ordinal));
    }

    [Fact]
    public void A_cell_that_is_none_is_wrong_usage_and_the_cells_are_named()
    {
        using var error = new StringWriter();
        Assert.Equal(2, Program.Run(["train", "x.csv", "-o", "m", "--cell", "foo"], TextWriter.Null, error));
        Assert.StartsWith("--cell is 'foo'. Choose lstm, gru, rnn, slstm or mlstm. See", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nowhere/m.safetensors", "nowhere' is no folder.")]
    [InlineData(".", "is a folder. Name a file in it")]
    public void A_model_that_cannot_be_written_is_refused_before_it_is_trained(string path, string sentence)
    {
        string[] train = ["train", Recording(1, rows: 300)];
        CommandLine.Refuses([.. train, "-o", _folder.File(path)], sentence);
        CommandLine.Refuses([.. train, "-o", _folder.File("m.safetensors"), "--report", _folder.File(path)], sentence);
        CommandLine.Refuses(["train-text", Recording(1, rows: 300), "-o", _folder.File(path)], sentence);
        Assert.False(File.Exists(_folder.File("m.safetensors")));
        Assert.False(File.Exists(_folder.File("m.safetensors.partial")));
    }

    [Theory]
    [InlineData("Record longer, or set --horizons.")]
    [InlineData("Set a longer 'learn.after' or shorter 'learn.horizons'.", "--learned-on", "shed")]
    public void Advice_names_what_the_user_wrote(string advice, params string[] options) => CommandLine.Refuses(
        ["train", Recording(1, rows: 300), "-o", _folder.File("m.safetensors"), "--horizons", "40", .. options],
        "300 rows are too few to forecast 40 rows ahead", advice);

    [Theory]
    [InlineData(",7,8", "2 rows with more cells than the header has names, the first in line 101: what is behind them is not read")]
    [InlineData(", ,", null)]
    public void Cells_behind_those_of_the_header_are_said(string more, string? note)
    {
        string[] lines = File.ReadAllLines(Recording(2, rows: 400));
        (lines[100], lines[250]) = (lines[100] + more, lines[250] + more);
        TrainingRows rows = Load(_folder.Write("l.csv", string.Join('\n', lines)));
        Assert.Equal(400, rows.RowCount);
        Assert.Equal(note, rows.Notes.SingleOrDefault(each => each.Contains("more cells", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_console_and_the_page_tell_one_story()
    {
        string said = CommandLine.Done(
            "train", Recording(2, rows: 900), "-o", _folder.File("m.safetensors"), "--epochs", "2", "--hidden", "4", "--cell", "gru",
            "--dropout", "0", "--horizons", "1", "--report", _folder.File("r.html"));
        string[] lines = said.TrimEnd().Split('\n');
        int tried = Array.FindIndex(lines, line => line.StartsWith("tried: a regression, and ", StringComparison.Ordinal));
        Assert.Contains("gru 4", lines[tried + 1], StringComparison.Ordinal);
        int chosen = Array.FindIndex(lines, line => line.StartsWith("chosen: the regression alone", StringComparison.Ordinal));
        Assert.Contains("m.safetensors: regression on ", lines[chosen + 1], StringComparison.Ordinal);
        Assert.DoesNotContain("gru", string.Join('\n', lines[chosen..]), StringComparison.Ordinal);
        Assert.Contains("RMSE on rows 720 to 899", said, StringComparison.Ordinal);
        Assert.Contains("persistence", said, StringComparison.Ordinal);
        Assert.Contains(
            "adds nothing to the regression", CommandLine.Done("inspect", _folder.File("m.safetensors")), StringComparison.Ordinal);

        string page = File.ReadAllText(_folder.File("r.html"));
        Assert.Contains("<title>m: trained forecasts</title>", page, StringComparison.Ordinal);
        Assert.Contains("data-of=\"ridge, 24 rows\"", page, StringComparison.Ordinal);
        Assert.Contains("epoch 2", page, StringComparison.Ordinal);
        Assert.DoesNotContain("last value", said + page, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_normal_is_learned_of_all_rows()
    {
        string readings = Recording(2, rows: 500);
        string model = _folder.File("m.safetensors");
        CommandLine.Done("train", readings, "-o", model, "--epochs", "1", "--hidden", "4", "--cell", "rnn", "--horizons", "1");
        CommandLine.Done("profile", model, "--calibration", readings, "-o", _folder.File("all.safetensors"));
        Assert.Equal(ProfileOf(_folder.File("all.safetensors")), ProfileOf(model));

        string[] lines = File.ReadAllLines(readings);
        string most = _folder.Write("most.csv", string.Join('\n', lines[..400]));
        CommandLine.Done("profile", model, "--calibration", most, "-o", _folder.File("most.safetensors"));
        Assert.NotEqual(ProfileOf(_folder.File("most.safetensors")), ProfileOf(model));

        static byte[] ProfileOf(string file) => EdgeModel.Load(file).Manifest.NormalProfile.ToArray();
    }

    [Fact]
    public void The_line_of_progress_fits_into_a_terminal()
    {
        var candidate = new Candidate(CellKind.Lstm, 512, 4, 0.25f, 1, 7);
        string line = Commands.TrainCommand.Line(
            new LearningProgress(candidate, 100, new EpochLoss(0.4607, 0.9571), 0.954, TimeSpan.FromSeconds(300)));
        Assert.Equal("lstm 512x4: epoch 100, loss 0.4607, held out 95.7 % (best 95.4 %), 300 s left", line);
        Assert.InRange(line.Length, 1, 78);
        Assert.Equal(line, Commands.Progress.Fit(line, 80));
        Assert.Equal(line[..38] + "…", Commands.Progress.Fit(line, 40));
        Assert.Equal(79, Commands.Progress.Fit(new string('x', 200), 0).Length);
    }

    private static TrainingRows Load(string file) => TrainingRows.Load([new() { File = file }], [], null);

    private string Intervals(params (int Rows, int Seconds)[] parts)
    {
        DateTime time = new(2026, 3, 1);
        int row = 0;
        IEnumerable<string> lines = parts.SelectMany(part => Enumerable.Range(0, part.Rows).Select(_ => string.Create(
            CultureInfo.InvariantCulture, $"{time = time.AddSeconds(part.Seconds):s}Z,{Math.Sin(row++ / 30.0):0.0000}")));
        return _folder.Write("i.csv", "time,a\n" + string.Join('\n', lines));
    }

    private string Recording(int columns, int rows, int changing = int.MaxValue)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        text.WriteLine("time," + string.Join(',', Enumerable.Range(0, columns).Select(i => $"c{i}")));
        for (int row = 0; row < rows; row++)
        {
            text.Write($"{new DateTime(2026, 1, 1).AddHours(row):s}Z");
            for (int i = 0; i < columns; i++)
            {
                text.Write(i < changing ? string.Create(CultureInfo.InvariantCulture, $",{Math.Sin((row / 3.0) + i):0.###}") : ",7");
            }

            text.WriteLine();
        }

        return _folder.Write("r.csv", text.ToString());
    }
}
