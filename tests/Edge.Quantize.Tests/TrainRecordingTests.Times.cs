using System.Globalization;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Learning;
using Edge.Sensors;
using Edge.Sensors.Replay;
using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>The times of recordings: how they are written, how far they are apart, and which of them are wrong.</summary>
public sealed partial class TrainRecordingTests
{
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
    public void A_period_in_words_is_refused_in_words()
    {
        (int code, string _, string error) = CommandLine.Run("train", "x.csv", "-o", "m.safetensors", "--period", "1m");
        Assert.Equal(2, code);
        Assert.StartsWith("'1m' is no number, and --period needs one. See ", error, StringComparison.Ordinal);
    }

    // As of a sensor that reports when its value changes, and of a logger that takes its time.
    [Theory]
    [InlineData(5, 200, "the rows are at irregular intervals: ")]
    [InlineData(160, 440, "the interval of the rows changes: ")]
    public void The_period_of_irregular_rows_is_about_the_middle_of_their_intervals_and_that_is_said(int least, int most, string note)
    {
        var random = new Random(1);
        TrainingRows rows = Load(Intervals([.. Enumerable.Range(0, 2000).Select(_ => (1, random.Next(least, most + 1)))]));
        Assert.InRange(rows.Period.TotalSeconds, 0.9 * (least + most) / 2, 1.1 * (least + most) / 2);
        Assert.Single(rows.Notes, each => each.StartsWith(note, StringComparison.Ordinal));
    }

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
            "warning: 25 % of the rows are left out, 100 of 400, because they are not newer than the one before, the first in line 302: "
                + "2026-01-13T12:00:00Z after 2027-01-13T11:00:00Z in line 301: sort the rows by time, or remove those whose time is wrong",
            rows.Notes);
    }

    // 400 rows, of which the first ones stand behind the others.
    [Theory]
    [InlineData(200, "warning: 50 % of the rows are left out, 200 of 400, because they are not newer than the one before, the first in ")]
    [InlineData(40, "warning: 10 % of the rows are left out, 40 of 400, because they are not newer than the one before, the first in ")]
    [InlineData(39, "left out: 39 rows not newer than the one before, the first in ")]
    public void Rows_that_the_order_of_their_times_costs_are_a_warning_if_they_are_many(int behind, string note)
    {
        string[] lines = File.ReadAllLines(Recording(1, rows: 400));
        lines = [lines[0], .. lines[(behind + 1)..], .. lines[1..(behind + 1)]];
        TrainingRows rows = Load(_folder.Write("o.csv", string.Join('\n', lines)));
        string said = Assert.Single(rows.Notes, each => each.StartsWith(note, StringComparison.Ordinal));
        Assert.Equal(note[0] == 'w', said.Contains($"in line {401 - behind}: sort the rows by time", StringComparison.Ordinal));
    }

    // A local clock of half hours that is set back at three in the morning of 2026-10-25.
    [Theory]
    [InlineData("2026-10-25 02:00:00", "", true)]
    [InlineData("2026-10-25 02:00:00", "Europe/Berlin", false)]
    [InlineData("2026-10-25 01:30:00", "", false)]
    public void An_hour_that_comes_twice_is_read_in_a_zone_and_named_without_one(string again, string zone, bool isSaid)
    {
        DateTime time = new(2026, 10, 20);
        IEnumerable<DateTime> once = Enumerable.Range(0, 246).Select(row => time.AddMinutes(30 * row));
        DateTime second = DateTime.Parse(again, CultureInfo.InvariantCulture);
        string[] lines =
        [
            .. once.Concat(Enumerable.Range(0, 200).Select(row => second.AddMinutes(30 * row))).Select(
                (each, row) => string.Create(CultureInfo.InvariantCulture, $"{each:yyyy-MM-dd HH:mm:ss},{Math.Sin(row / 9.0):0.000}")),
        ];
        var file = new ReplayOptions
        {
            File = _folder.Write("h.csv", "time,a\n" + string.Join('\n', lines)),
            Times = new TimeOptions().With(null, zone.Length > 0 ? zone : null),
        };
        TrainingRows rows = TrainingRows.Load([file], [], null);
        Assert.Equal(zone.Length > 0 ? 446 : isSaid ? 444 : 443, rows.RowCount);
        Assert.Equal(
            isSaid,
            rows.Notes.Contains(
                "the time goes back by an hour in line 248: 2026-10-25 02:00:00 after 2026-10-25 02:30:00 in line 247, as clocks do in "
                    + "autumn: --timezone, such as Europe/Berlin, keeps the rows of the hour that comes twice"));
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
}
