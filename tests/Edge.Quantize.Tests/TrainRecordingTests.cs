using System.Globalization;
using System.Text;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Learning;
using Edge.Sensors;
using Edge.Sensors.Replay;
using Edge.Testing;
using MathNet.Numerics.LinearAlgebra;

namespace Edge.Quantize.Tests;

/// <summary>What <c>train</c> does with recordings that are too wide, have a wrong time, or are written in an unusual way.</summary>
public sealed class TrainRecordingTests : IDisposable
{
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
    [InlineData("2099-01-01T00:00:00Z", 102, 302)]
    [InlineData("2099-01-01T00:00:00Z", 102, 103)]
    [InlineData("2099-01-01T00:00:00Z", 2)]
    [InlineData("2099-01-01T00:00:00Z", 2, 3)]
    [InlineData("1970-01-01T00:00:00Z", 2)]
    [InlineData("1970-01-01T00:00:07Z", 2, 3)]
    public void Rows_behind_a_wrong_time_are_learned_from(string wrong, params int[] lines)
    {
        string[] all = File.ReadAllLines(Recording(1, rows: 400));
        foreach (int line in lines)
        {
            all[line - 1] = $"{wrong},0.5";
        }

        TrainingRows rows = Load(_folder.Write("w.csv", string.Join('\n', all)));
        Assert.Equal(400 - lines.Length, rows.RowCount);
        string count = lines.Length == 1 ? "1 row" : "2 rows";
        Assert.Contains($"left out: {count} with a time that does not fit the rows behind (line {lines[0]}: {wrong})", rows.Notes);
    }

    [Theory]
    [InlineData(',', "--time-format to excel or s")]
    [InlineData(';', "--time-format to excel or s")]
    public void Days_of_a_spreadsheet_are_refused_until_they_are_named(char separator, string advice)
    {
        var noon = new DateTime(2023, 3, 15, 12, 0, 0, DateTimeKind.Utc);
        string[] lines = [.. Enumerable.Range(0, 400).Select(row => string.Create(
            CultureInfo.InvariantCulture, $"{(noon.AddMinutes(row) - new DateTime(1899, 12, 30)).TotalDays:0.0########},{row % 7}"))];
        string text = string.Join('\n', (string[])["time,a", .. lines]);
        string file = _folder.Write(
            "e.csv", separator == ',' ? text : text.Replace(',', ';').Replace('.', ','));
        CommandLine.Refuses(
            ["train", file, "-o", _folder.File("m.safetensors")], "may be a day of Excel (2023-03-15 12:00) or seconds since 1970", advice);

        TrainingRows rows = TrainingRows.Load([new() { File = file, Times = new() { Format = "excel" } }], [], null);
        Assert.Equal(TimeSpan.FromMinutes(1), rows.Period);
        Assert.Equal((noon, noon.AddMinutes(399)), (rows.Times[0], rows.Times[^1]));
    }

    [Theory]
    [InlineData("M/d/yyyy h:mm tt", "9/1/2026 1:05 PM")]
    [InlineData("M/d/yyyy h:mm tt", "9/1/2026 1:05\u202fPM")]
    [InlineData("M/d/yyyy h:mm tt", "9/1/2026 1:05\u00a0p.\u00a0m.")]
    [InlineData("d/M/yyyy h:mm tt", "1/9/2026 1:05 p.m.")]
    [InlineData("d/M/yyyy h:mm tt", "1/9/2026 1:05 pm")]
    [InlineData("d/M/yyyy h:mm tt", "1/9/2026 1:05 μ.μ.")]
    [InlineData("yyyy/M/d tth:mm", "2026/9/1 午後1:05")]
    [InlineData("yyyy/M/d tt h:mm", "2026/9/1 下午 1:05")]
    [InlineData("yyyy. M. d. tt h:mm", "2026. 9. 1. 오후 1:05")]
    public void A_clock_of_twelve_hours_is_read_in_the_usual_spellings(string format, string text)
    {
        var reader = new TimeReader(new TimeOptions { Format = format });
        Assert.Null(reader.Read(text, default, out DateTime time));
        Assert.Equal(new DateTime(2026, 9, 1, 13, 5, 0), time);

        (string, string)[] halves = [("P", "A"), ("p", "a"), ("μ.μ", "π.μ"), ("午後", "午前"), ("下午", "上午"), ("오후", "오전")];
        string before = halves.Aggregate(text, (each, half) => each.Replace(half.Item1, half.Item2, StringComparison.Ordinal));
        Assert.Null(reader.Read(before, default, out time));
        Assert.Equal(new DateTime(2026, 9, 1, 1, 5, 0), time);
    }

    [Theory]
    [InlineData("dd.MM.yyyy HH:mm", "line 2: '01.09.2026 00:00' is not ISO 8601", "such as 'dd.MM.yyyy HH:mm'")]
    [InlineData("M/d/yyyy h:mm tt", "line 2: '9/1/2026 12:00 AM' is not ISO 8601", "such as 'M/d/yyyy h:mm tt' or 'd/M/yyyy h:mm tt'")]
    [InlineData("M/d/yyyy h:mm\u202ftt", "line 2: '9/1/2026 12:00\u202fAM' is not ISO 8601", "set --time-format, such as 'M/d/yyyy h:mm")]
    public void A_time_that_cannot_be_read_is_quoted_with_its_format(string format, string sentence, string advice)
    {
        string file = _folder.Write("t.csv", "time,a\n" + string.Join('\n', Enumerable.Range(0, 400).Select(
            row => $"{new DateTime(2026, 9, 1).AddMinutes(row).ToString(format, CultureInfo.InvariantCulture)},{row % 7}")));
        CommandLine.Refuses(["train", file, "-o", _folder.File("m.safetensors")], sentence, advice);

        TrainingRows rows = TrainingRows.Load([new() { File = file, Times = new() { Format = format } }], [], null);
        Assert.Equal(TimeSpan.FromMinutes(1), rows.Period);
    }

    [Theory]
    [InlineData("Datum")]
    [InlineData("Zeitstempel")]
    [InlineData("measured at", "measured at")]
    [InlineData("day of,hour of", "day of", "hour of")]
    public void A_time_column_is_found_by_its_name_or_named(string header, params string[] columns)
    {
        string format = header.Contains(',', StringComparison.Ordinal) ? "yyyy-MM-dd,HH:mm" : "yyyy-MM-dd HH:mm";
        string file = _folder.Write("t.csv", $"{header},a\n" + string.Join('\n', Enumerable.Range(0, 400).Select(
            row => $"{new DateTime(2026, 9, 1).AddMinutes(row).ToString(format, CultureInfo.InvariantCulture)},{row % 7}")));
        string[] train = ["train", file, "-o", _folder.File("m.safetensors"), "--epochs", "1"];
        if (columns.Length > 0)
        {
            CommandLine.Refuses(train, "no column of times", "Name it with --time-column, or add --period");
            CommandLine.Refuses([.. train, "--time-column", "nowhere"], "no time column 'nowhere'", "the header has");
        }

        string said = CommandLine.Done([.. train, .. columns.SelectMany(column => new[] { "--time-column", column })]);
        Assert.Contains("400 rows of 1 column, 60 s apart", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("1e-9")]
    public void A_period_of_no_time_is_refused(string seconds) => CommandLine.Refuses(
        ["train", Recording(1, rows: 300), "-o", _folder.File("m.safetensors"), $"--period={seconds}"], "--period must be more than 0");

    [Fact]
    public void The_interval_of_most_rows_is_the_period()
    {
        string file = Intervals((1000, 60), (2500, 300));
        TrainingRows rows = Load(file);
        Assert.Equal(TimeSpan.FromMinutes(5), rows.Period);
        Assert.Contains("the interval of the rows changes: 60 s at first, 300 s for most rows, which is the period", rows.Notes);
        Assert.Contains("left out: 800 rows that follow the one before faster than the period", rows.Notes);
        Assert.Equal(2700, rows.RowCount);
        Assert.Equal(2700, rows.Ticks[^1]);
        Assert.Equal(rows.Ticks, TrainingRows.Load([new() { File = file }], [], TimeSpan.FromMinutes(5)).Ticks);
    }

    [Theory]
    [InlineData("chosen on")]
    [InlineData("learned from", "--period", "60")]
    public void Rows_with_gaps_between_all_of_them_are_refused(string what, params string[] period)
    {
        string file = period.Length > 0 ? Intervals((1000, 300)) : Intervals((1400, 60), (600, 300));
        CommandLine.Refuses(
            ["train", file, "-o", _folder.File("m.safetensors"), .. period],
            "at a period of 60 s there is a gap between all rows", $"nothing can be {what} them", "300 s apart: set --period");
    }

    [Theory]
    [InlineData(299.981, 300)]
    [InlineData(1.0004, 1)]
    [InlineData(3661, 3661)]
    [InlineData(59.9, 59.9)]
    [InlineData(0.1, 0.1)]
    public void A_period_that_is_almost_whole_is_whole(double seconds, double period) =>
        Assert.Equal(TimeSpan.FromSeconds(period), RecordingShape.Whole(TimeSpan.FromSeconds(seconds)));

    [Fact]
    public void A_file_with_the_newest_row_first_is_read_with_an_option()
    {
        string file = Recording(1, rows: 400);
        string[] lines = File.ReadAllLines(file);
        string newest = _folder.Write("n.csv", string.Join('\n', (string[])[lines[0], .. lines[1..].Reverse()]));
        string manifest = _folder.Write(
            "m.json", """{"columns":["c0"],"period_seconds":3600,"mean":[0],"std":[1],"outputs_named":["c0[t+1]"]}""");
        string[] train = ["train", newest, "-o", _folder.File("m.safetensors"), "--epochs", "1", "--hidden", "4"];
        string[] profile = ["profile", manifest, "-o", _folder.File("p.json"), "--calibration"];
        CommandLine.Refuses(train, "have the newest row first. Set --newest-first to read them backwards.");
        CommandLine.Refuses([.. profile, newest], "Set --newest-first");
        CommandLine.Refuses([.. profile, file, "--newest-first"], "have the oldest row first. Remove --newest-first.");

        Assert.Contains(
            "400 rows of 1 column, 3600 s apart", CommandLine.Done([.. train, "--newest-first"]), StringComparison.Ordinal);
        CommandLine.Done([.. profile, newest, "--newest-first"]);
        string backwards = File.ReadAllText(_folder.File("p.json"));
        CommandLine.Done([.. profile, file]);
        Assert.Equal(backwards, File.ReadAllText(_folder.File("p.json")));
    }

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

    [Fact]
    public void Dates_without_a_time_of_day_are_told_from_a_short_recording()
    {
        string days = string.Join('\n', Enumerable.Range(0, 400).Select(
            row => $"{new DateTime(2026, 3, 1).AddHours(row):yyyy-MM-dd},{row % 7}"));
        CommandLine.Refuses(
            ["train", _folder.Write("d.csv", "time,a\n" + days), "-o", _folder.File("m.safetensors")],
            "have 17 usable rows",
            "Left out: 383 rows not newer than the one before, the first in line 3: 2026-03-01 after 2026-03-01 in line 2",
            "write the time of day beside the date");
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

    [Fact]
    public void Rows_behind_a_clock_that_was_ahead_are_said_with_the_first_of_them()
    {
        string[] lines = File.ReadAllLines(Recording(1, rows: 400));
        for (int row = 201; row < 301; row++)
        {
            lines[row] = lines[row].Replace("2026-", "2027-", StringComparison.Ordinal);
        }

        TrainingRows rows = Load(_folder.Write("y.csv", string.Join('\n', lines)));
        Assert.Contains(
            "left out: 100 rows not newer than the one before, the first in line 302: 2026-01-13T12:00:00Z after 2027-01-13T11:00:00Z "
                + "in line 301",
            rows.Notes);
    }

    [Theory]
    [InlineData("Z", 0)]
    [InlineData("+02:00", 0)]
    [InlineData("", 1)]
    public void Times_without_a_zone_are_said_to_be_read_as_utc(string zone, int said)
    {
        string text = File.ReadAllText(Recording(1, rows: 400)).Replace("Z,", $"{zone},", StringComparison.Ordinal);
        TrainingRows rows = Load(_folder.Write("z.csv", text));
        Assert.Equal(said, rows.Notes.Count(note => note.Contains("read as UTC; --timezone sets another", StringComparison.Ordinal)));
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
        string manifest = _folder.Write(
            "m.json",
            """{"columns":["c0","c1"],"period_seconds":3600,"mean":[0.1,0],"std":[0.7,0.8],"calendar":["day"]"""
            + ""","outputs_named":["c0[t+1]"]}""");
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

    [Fact]
    public void Times_of_any_format_are_read_by_quantize_and_profile_too()
    {
        string iso = Calendar("yyyy-MM-dd HH:mm");
        string german = Calendar("dd.MM.yyyy HH:mm");
        string manifest = _folder.Write(
            "m.json",
            """{"columns":["a"],"period_seconds":3600,"mean":[0],"std":[1],"calendar":["day"],"outputs_named":["a[t+1]"]}""");
        string[] options = ["--calibration", german, "-o", _folder.File("p.json")];
        CommandLine.Refuses(["profile", manifest, .. options], "set --time-format, such as 'dd.MM.yyyy HH:mm'");
        CommandLine.Refuses(["profile", manifest, .. options, "--time-format", "HH:mm"], "--time-format is 'HH:mm'");
        CommandLine.Done(["profile", manifest, .. options, "--time-format", "dd.MM.yyyy HH:mm"]);
        string profile = File.ReadAllText(_folder.File("p.json"));
        CommandLine.Done("profile", manifest, "--calibration", iso, "-o", _folder.File("p.json"));
        Assert.Equal(profile, File.ReadAllText(_folder.File("p.json")));

        ModelManifest parsed = ModelManifest.Parse(File.ReadAllBytes(manifest));
        ReadingsFile expected = ReadingsFile.Load(new ReplayOptions { File = iso }, parsed);
        ReadingsFile read = ReadingsFile.Load(
            new ReplayOptions { File = german, Times = new TimeOptions { Format = "dd.MM.yyyy HH:mm" } }, parsed);
        Assert.Equal(400, read.RowCount);
        Assert.Equal(expected.Rows(400).ToArray(), read.Rows(400).ToArray());

        string Calendar(string format) => _folder.Write($"{format[0]}.csv", "time,a\n" + string.Join('\n', Enumerable.Range(0, 400).Select(
            row => $"{new DateTime(2026, 9, 1).AddHours(row).ToString(format, CultureInfo.InvariantCulture)},{row % 7}")));
    }

    [Theory]
    [InlineData(1, "d.csv': the rows are 1 s apart, and the model's period is 300 s. Give rows as far apart as the model's.")]
    [InlineData(602, "the rows are 602 s apart, and the model's period is 300 s.")]
    [InlineData(599.5, null)]
    [InlineData(299.981, null)]
    [InlineData(150.5, null)]
    public void Rows_of_another_pace_than_the_model_are_said(double seconds, string? sentence)
    {
        string manifest = _folder.Write(
            "m.json", """{"columns":["a"],"period_seconds":300,"mean":[0],"std":[1],"outputs_named":["a[t+1]"]}""");
        string rows = _folder.Write("d.csv", "time,a\n" + string.Join('\n', Enumerable.Range(0, 400).Select(
            row => $"{new DateTime(2026, 9, 1).AddSeconds(row * seconds):yyyy-MM-ddTHH:mm:ss.fff}Z,{row % 7}")));
        string said = CommandLine.Done("profile", manifest, "--calibration", rows, "-o", _folder.File("p.json"));
        Assert.Contains(sentence ?? "", said, StringComparison.Ordinal);
        Assert.Equal(sentence is not null, said.Contains("apart", StringComparison.Ordinal));
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
    [Fact]
    public void A_profile_follows_the_time_of_day_where_a_recording_has_times()
    {
        string manifest = _folder.Write(
            "m.json", """{"columns":["a"],"period_seconds":3600,"mean":[0],"std":[1],"outputs_named":["a[t+1]"]}""");
        string said = "";
        string timed = Profile("time", row => $"{new DateTime(2026, 9, 1).AddHours(row):yyyy-MM-dd HH:mm}");
        Assert.DoesNotContain("time of day", said, StringComparison.Ordinal);
        string zoned = Profile("time", row => $"{new DateTime(2026, 9, 1).AddHours(row + 2):yyyy-MM-ddTHH:mm}+02:00");
        string unknown = Profile("n", row => $"{row}");
        string unreadable = Profile("time", row => row == 200 ? "noon" : $"{new DateTime(2026, 9, 1).AddHours(row):yyyy-MM-dd HH:mm}");
        Assert.NotEqual(unknown, timed);
        Assert.Equal(timed, zoned);
        Assert.Equal(unknown, unreadable);
        Assert.Contains("line 202: ", said, StringComparison.Ordinal);
        Assert.Contains("So the detector learns nothing of the time of day.", said, StringComparison.Ordinal);

        string Profile(string column, Func<int, string> time)
        {
            string rows = _folder.Write("d.csv", $"{column},a\n" + string.Join('\n', Enumerable.Range(0, 400).Select(
                row => string.Create(
                    CultureInfo.InvariantCulture, $"{time(row)},{Math.Sin(row * Math.PI / 12) + (0.1 * (row % 5)):0.000}"))));
            said = CommandLine.Done("profile", manifest, "--calibration", rows, "-o", _folder.File("p.json"));
            return File.ReadAllText(_folder.File("p.json"));
        }
    }

    [Theory]
    [InlineData("nowhere/m.safetensors", "m.safetensors' cannot be written")]
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

    [Fact]
    public void Each_command_that_takes_readings_takes_their_format_of_time()
    {
        string model = RepositoryFile.Path("tests/Edge.Quantize.Tests/Exports/tiny_state.safetensors");
        string rows = RepositoryFile.Path("tests/Edge.Quantize.Tests/Exports/x.f32");
        string int8 = _folder.File("m.safetensors");
        string[] quantize = ["quantize", model, "--calibration", rows, "-o", int8];
        CommandLine.Done([.. quantize, "--time-format", "dd.MM.yyyy HH:mm", "--timezone", "Europe/Berlin"]);
        CommandLine.Done([.. quantize, "--time-column", "when"]);
        foreach (string[] command in new string[][]
        {
            quantize,
            ["evaluate", model, int8, "--data", rows],
            ["trace", int8, "--data", rows, "--report", _folder.File("t.html")],
            ["profile", int8, "--calibration", rows, "-o", _folder.File("p.safetensors")],
        })
        {
            CommandLine.Refuses([.. command, "--time-format", "HH:mm"], "--time-format is 'HH:mm'; use a format of date and time");
            CommandLine.Refuses([.. command, "--timezone", "Nowhere"], "--timezone is 'Nowhere'");
        }
    }

    [Theory]
    [InlineData("Record longer, or set --horizons.")]
    [InlineData("Set a longer 'learn.after' or shorter 'learn.horizons'.", "--learned-on", "shed")]
    public void Advice_names_what_the_user_wrote(string advice, params string[] options) => CommandLine.Refuses(
        ["train", Recording(1, rows: 300), "-o", _folder.File("m.safetensors"), "--horizons", "40", .. options],
        "300 rows are too few to forecast 40 rows ahead", advice);

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
