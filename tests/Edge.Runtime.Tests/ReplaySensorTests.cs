using System.Globalization;
using System.Text;
using Edge.Inference;
using Edge.Sensors.Replay;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Testing;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Tests;

public sealed class ReplaySensorTests : IDisposable
{
    private static readonly string[] Columns = ["a", "b"];
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("time,a,b\n2026-01-01 00:00:00,1,2\n2026-01-01 00:00:05,3,4\n")]
    [InlineData("time;b;a\n2026-01-01T00:00:00Z;2;1\n2026-01-01T00:00:05Z;4;3\n")]
    [InlineData("x\tb\ttimestamp\ta\r\nq\t2\t1767225600\t1\r\nq\t4\t1767225605\t3\r\n")]
    [InlineData("ts,a,b\n1767225600000,1,2\n1767225605000,3,4")]
    [InlineData("Date|a|b\n2026-01-01 01:00:00+01:00|1|2\n2026-01-01 01:00:05+01:00|3|4\n")]
    [InlineData("sep=;\r\ntime;a;b\r\n2026-01-01 00:00:00;1;2\r\n2026-01-01 00:00:05;3;4\r\n")]
    [InlineData("\ufeffSEP=|\ntime|b,c|b|a\n2026-01-01 00:00:00|0|2|1\n2026-01-01 00:00:05|0|4|3\n")]
    [InlineData("time;a;b\n2026-01-01 00:00:00;1 °C;2%\n2026-01-01 00:00:05;3,0 °C;4%\n")]
    public async Task Any_separator_and_time_is_read(string csv)
    {
        using ReplaySensor sensor = Open(csv);
        Assert.Equal([(0, 1, 2), (5, 3, 4)], await ReadAllAsync(sensor));
    }

    // As an Excel in German writes it. The euro sign is a control character in Latin-1.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_file_that_is_not_UTF8_is_read_as_Windows_1252_and_that_is_said(bool isUtf)
    {
        string csv = "Zeit;Temp °C;Preis €;Ort\n2026-01-01 00:00:00;16,5;2,25;Köln\n2026-01-01 00:00:05;17,5;3,5;Köln\n";
        byte[] text = isUtf ? Encoding.UTF8.GetBytes(csv) : [.. csv.Select(letter => letter == '€' ? (byte)0x80 : (byte)letter)];
        File.WriteAllBytes(_folder.File("r.csv"), text);
        using var sensor = new ReplaySensor(
            new ReplayOptions { File = _folder.File("r.csv"), Speed = PlaybackSpeed.Max },
            ["Temp °C", "Preis €"],
            TimeSpan.FromSeconds(5),
            TimeProvider.System);
        Assert.Equal(!isUtf, sensor.IsWindows1252);
        Assert.Equal([(0, 16.5, 2.25), (5, 17.5, 3.5)], await ReadAllAsync(sensor));
    }

    [Fact]
    public async Task The_log_says_that_its_file_is_not_UTF8()
    {
        File.WriteAllText(_folder.File("r.csv"), "für,b\n20,ä\n21,ä\n", Encoding.Latin1);
        Assert.Single(
            await LogAsync("für"), line => line.EndsWith("r.csv' are not UTF-8 and are read as Windows-1252", StringComparison.Ordinal));
    }

    // A damaged cell, or a header that is cut within a letter, says nothing of the encoding.
    [Fact]
    public void A_header_of_UTF8_is_read_as_such_whatever_follows()
    {
        byte[] damaged = [.. "a;°C\n1;2\n"u8, 0xE9, (byte)'\n', .. "3;4\n"u8];
        File.WriteAllBytes(_folder.File("d.csv"), damaged);
        using var rows = new CsvRows(_folder.File("d.csv"), [], RowOrder.OldestFirst);
        Assert.Equal((false, "°C"), (rows.IsWindows1252, rows.Header[1]));
        for (int at = 0; at < 4; at++)
        {
            string wide = string.Join(';', Enumerable.Repeat("°\U0001F321", 1 << 16));
            File.WriteAllText(_folder.File("w.csv"), new string('a', at) + wide + "\n1;2\n");
            using var wideRows = new CsvRows(_folder.File("w.csv"), [], RowOrder.OldestFirst);
            Assert.False(wideRows.IsWindows1252);
        }

        File.WriteAllText(_folder.File("u.csv"), "a;°C\n1;2\n", Encoding.Unicode);
        using var utf16 = new CsvRows(_folder.File("u.csv"), [], RowOrder.OldestFirst);
        Assert.Equal((false, "°C"), (utf16.IsWindows1252, utf16.Header[1]));
    }

    [Theory]
    [InlineData(0.6, "line 4: 1 row is missing before this one.")]
    [InlineData(0.8, "line 4: 2 rows are missing before this one.")]
    public async Task A_gap_is_said_with_its_rows(double third, string sentence)
    {
        string[] rows = [.. new[] { 0, 0.2, third, third + 0.2, third + 0.4, third + 0.6 }.Select(
            (at, i) => $"{new DateTime(2026, 1, 1).AddSeconds(at):yyyy-MM-ddTHH:mm:ss.fff}Z,{20 + i}")];
        File.WriteAllText(_folder.File("r.csv"), "time,a\n" + string.Join('\n', rows) + "\n");
        Assert.Contains(await LogAsync("a"), line => line.Contains(sentence, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("2026-10-25 02:40", "a\n2026-10-25 02:40,1,5\n", "line 2: the row has 3 cells, and the header has 2 names.")]
    [InlineData(
        "2026-10-25 02:40", "a\n2026-10-25 02:20,1\n2026-10-25 02:40,1\n2026-10-25 02:00,1\n",
        "line 4: 2026-10-25 02:00 after 2026-10-25 02:40 in line 3: the time goes back by an hour, as clocks do in autumn. Set 'timezone'")]
    public async Task What_a_row_has_too_much_and_an_hour_that_comes_twice_are_said(string last, string csv, string sentence)
    {
        File.WriteAllText(_folder.File("r.csv"), "time," + csv + last + ",1\n");
        Assert.Single(await LogAsync("a"), line => line.Contains(sentence, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Rows_without_times_are_a_period_apart_from_the_epoch()
    {
        using ReplaySensor sensor = Open("a,b\n1,2\n3,4\n");
        var reading = new Reading(2);
        Assert.True(await sensor.ReadAsync(reading, default));
        Assert.Equal(DateTime.UnixEpoch, reading.Time);
        Assert.True(await sensor.ReadAsync(reading, default));
        Assert.Equal(DateTime.UnixEpoch.AddSeconds(1), reading.Time);
    }

    [Theory]
    [InlineData("", nameof(Quality.Missing))]
    [InlineData("  ", nameof(Quality.Missing))]
    [InlineData("nan", nameof(Quality.Invalid))]
    [InlineData("NaN", nameof(Quality.Invalid))]
    [InlineData("-inf", nameof(Quality.Invalid))]
    [InlineData("1e999", nameof(Quality.Invalid))]
    [InlineData("broken", nameof(Quality.Invalid))]
    public async Task A_cell_that_is_no_finite_number_is_a_channel_without_a_value(string cell, string quality)
    {
        using ReplaySensor sensor = Open($"time;a;b\n2026-01-01;{cell};2\n2026-01-02;3;4\n");
        var reading = new Reading(2);
        Assert.True(await sensor.ReadAsync(reading, default));
        Assert.Equal(Enum.Parse<Quality>(quality), reading.Quality[0]);
        Assert.Equal(Quality.Good, reading.Quality[1]);
        Assert.True(await sensor.ReadAsync(reading, default));
        Assert.Equal(Quality.Good, reading.Quality[0]);
    }

    [Fact]
    public async Task A_short_row_has_missing_channels()
    {
        using ReplaySensor sensor = Open("time,a,b\n2026-01-01,1\n");
        var reading = new Reading(2);
        Assert.True(await sensor.ReadAsync(reading, default));
        Assert.Equal([Quality.Good, Quality.Missing], reading.Quality);
    }

    [Fact]
    public async Task Looping_goes_on_with_time_that_never_goes_back()
    {
        using ReplaySensor sensor = Open("time,a,b\n2026-01-01 00:00:00,1,2\n2026-01-01 00:00:05,3,4\n", loop: true);
        var reading = new Reading(2);
        var times = new List<double>();
        for (int i = 0; i < 5; i++)
        {
            Assert.True(await sensor.ReadAsync(reading, default));
            times.Add((reading.Time - new DateTime(2026, 1, 1)).TotalSeconds);
        }

        Assert.Equal([0, 5, 6, 11, 12], times);
    }

    [Theory]
    [InlineData("", "are empty")]
    [InlineData("time,a\n1,2\n", "no column 'b'")]
    [InlineData("time,a,c\n1,2,3\n", "the header has 'time', 'a', 'c'")]
    [InlineData("time,a,b,a\n1,2,3,4\n", "have two columns named 'a'. Rename or remove one of them.")]
    [InlineData("\u0018\0\0\0{\"a\":", "are no text. Give a CSV file whose first line names the columns.")]
    public void A_file_without_what_the_model_reads_is_refused(string csv, string sentence) =>
        Assert.Contains(sentence, Assert.Throws<InputException>(() => Open(csv)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(
        "1 °C,2;3 K,4",
        "line 3, column 'a': '3 K' has another unit than '1 °C' in line 2. Write the same unit behind every number of the column")]
    [InlineData("1,2;3 bar,4", "line 3, column 'a': '3 bar' has another unit than '1' in line 2.")]
    [InlineData(
        "1,2;3,'1 234.5'",
        "line 3, column 'b': '1 234.5' has thousands separators. Write numbers without them, this one as 1234.5.")]
    [InlineData(
        "1,2;'1,234,567',4",
        "line 3, column 'a': '1,234,567' has thousands separators. Write numbers without them, this one as 1234567.")]
    [InlineData(
        "1,'1.234,5 W';1,'1 W'",
        "line 2, column 'b': '1.234,5 W' has thousands separators. Write numbers without them, this one as 1234.5.")]
    [InlineData(
        "1,2;'1,234',4",
        "line 3, column 'a': '1,234' may be 1.234 or 1234, and no other number tells. Write numbers with a decimal point, and without")]
    [InlineData(
        "1.5,2;'1,25',4",
        "line 3, column 'a': '1,25' has a decimal comma, and '1.5' in line 2 has a decimal point. Write all numbers in one way.")]
    public void A_number_that_cannot_be_told_is_refused_with_its_place(string rows, string sentence)
    {
        IEnumerable<string> lines = rows.Replace('\'', '"').Split(';').Select((row, at) => $"2026-01-01 00:00:0{at},{row}");
        string csv = "time,a,b\n" + string.Join('\n', lines);
        Assert.Contains(sentence, Assert.Throws<InputException>(() => Open(csv)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("time,a,b\n01.07.2016 02:00,1,2\n", "line 2: '01.07.2016 02:00' is not ISO 8601 or a count since 1970")]
    [InlineData("time,a,b\n2016-07-01,1,2\nlater,1,2\n", "line 3: 'later' is no time but a word")]
    public void A_time_that_cannot_be_read_is_refused_before_anything_starts(string csv, string sentence) =>
        Assert.Contains(sentence, Assert.Throws<InputException>(() => Open(csv)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_folder_is_refused() =>
        Assert.Contains(
            "is a folder, not a file.",
            Assert.Throws<InputException>(
                () => new ReplaySensor(
                    new ReplayOptions { File = _folder.Path }, Columns, TimeSpan.FromSeconds(1), TimeProvider.System)).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData(1_000_000, false)]
    [InlineData(4000, false)]
    [InlineData(4000, true)]
    public async Task Of_a_long_cell_a_sentence_has_only_the_begin(int length, bool isTime)
    {
        string cell = new('x', length);
        string csv = "time,a,b\n" + (isTime ? $"{cell},1,2\n" : $"1,{cell},2\n");
        InputException e = await Assert.ThrowsAsync<InputException>(async () =>
        {
            using ReplaySensor sensor = Open(csv);
            var reading = new Reading(2);
            while (await sensor.ReadAsync(reading, default))
            {
                // Up to the end, where the file is judged.
            }
        });
        Assert.Contains(length > 4096 ? "line 2: a cell has more than 4096 characters." : "'xxxx", e.Message, StringComparison.Ordinal);
        Assert.InRange(e.Message.Length, 1, 400);
    }

    [Fact]
    public void A_time_column_that_is_not_there_is_refused() =>
        Assert.Contains(
            "no time column 'when'",
            Assert.Throws<InputException>(() => Open("a,b\n1,2\n", timeColumn: "when")).Message,
            StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_not_there_is_refused() =>
        Assert.Contains(
            "'/no/such.csv'",
            Assert.Throws<InputException>(
                () =>
                    new ReplaySensor(
                        new ReplayOptions { File = "/no/such.csv" },
                        Columns,
                        TimeSpan.FromSeconds(1),
                        TimeProvider.System)).Message,
            StringComparison.Ordinal);

    [Fact]
    public async Task At_60x_a_minute_of_recording_takes_a_second()
    {
        var clock = new FakeTimeProvider();
        string file = _folder.Write("x.csv", "time,a,b\n2026-01-01 00:00:00,1,2\n2026-01-01 00:01:00,3,4\n");
        using var sensor = new ReplaySensor(
            new ReplayOptions { File = file, Speed = new PlaybackSpeed(60) },
            Columns,
            TimeSpan.FromSeconds(60),
            clock);
        var reading = new Reading(2);
        Assert.True(await sensor.ReadAsync(reading, default));
        Task<bool> second = sensor.ReadAsync(reading, default).AsTask();
        clock.Advance(TimeSpan.FromMilliseconds(999));
        await Task.Delay(20);
        Assert.False(second.IsCompleted);
        clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(await second.WaitAsync(Eventually.Bound));
    }

    [Theory]
    [InlineData("0,1,1 5,2,2 @,3,3 15,4,4 20,5,5", "2099-01-01 00:00:00", 1)]
    [InlineData("0,1,1 5,2,2 @,3,3 15,4,4 20,5,5", "2026-01-01 00:00:17", 1)]
    [InlineData("0,1,1 @,9,9 5,2,2 @,3,3 15,4,4 20,5,5", "2099-01-01 00:00:00", 2)]
    [InlineData("0,1,1 5,2,2 @,9,9 15,4,4 20,5,5 @,3,3 30,6,6", "2099-01-01 00:00:00", 2)]
    [InlineData("0,1,1 5,2,2 @,9,9 @,9,9 20,5,5 25,6,6", "2099-01-01 00:00:00", 2)]
    [InlineData("0,1,1 5,2,2 @,9,9 @,9,9 20,5,5", "2099-01-01 00:00:00", 2)]
    [InlineData("@,9,9 5,2,2 10,3,3 15,4,4", "2099-01-01 00:00:00", 1)]
    [InlineData("@,9,9 @,9,9 10,3,3 15,4,4 20,5,5 25,6,6", "2099-01-01 00:00:00", 2)]
    [InlineData("@,9,9 5,2,2 10,3,3 15,4,4", "1970-01-01 00:00:00", 1)]
    [InlineData("@,9,9 @,9,9 10,3,3 15,4,4 20,5,5", "1970-01-01 00:00:00", 2)]
    [InlineData("@,9,9 5,2,2 10,3,3 15,4,4", "2000-01-01 00:00:03", 1)]
    public async Task A_row_whose_time_does_not_fit_the_rows_after_it_is_left_out(string rows, string wrong, int count)
    {
        string csv = "time,a,b\n" + string.Join('\n', rows.Split(' ').Select(row => row[0] == '@'
            ? wrong + row[1..]
            : $"2026-01-01 00:00:{row.Split(',')[0].PadLeft(2, '0')}{row[row.IndexOf(',', StringComparison.Ordinal)..]}"));
        using ReplaySensor sensor = Open(csv);
        (double, double, double)[] right =
        [
            .. rows.Split(' ').Where(row => row[0] != '@')
                .Select(row => row.Split(',').Select(cell => double.Parse(cell, CultureInfo.InvariantCulture)).ToArray())
                .Select(cells => (cells[0], cells[1], cells[2])),
        ];
        Assert.Equal(right, await ReadAllAsync(sensor));
        Assert.Equal(count, sensor.RowsOfWrongTime);
        Assert.Equal(0, sensor.SkippedRows);
        Assert.StartsWith("line ", sensor.FirstWrongTime, StringComparison.Ordinal);
        Assert.EndsWith(wrong, sensor.FirstWrongTime, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2026-01-01 00:00:00,1,1\n2026-01-01 00:00:05,2,2\n2026-01-01 00:01:00,3,3\n2026-01-01 00:01:05,4,4", 4)]
    [InlineData("2026-01-01 00:00:00,1,1\n2026-01-01 00:00:05,2,2\n2026-01-01 00:01:00,3,3\n", 3)]
    [InlineData("2026-01-01 00:00:00,1,1\n2026-01-01 00:00:05,2,2\n2026-01-01 00:01:00,3,3\n2026-01-01 00:00:05,4,4", 3)]
    [InlineData("2025-12-31 00:00:00,0,0\n2026-01-01 00:00:05,2,2\n2026-01-01 00:00:10,3,3\n2026-01-01 00:00:15,4,4", 4)]
    [InlineData("2020-01-01,1,1\n2022-01-01,2,2\n2024-01-01,3,3\n2026-01-01,4,4\n2028-01-01,4,4", 5)]
    [InlineData("2026-01-01 00:00:00,1,1\n1970-01-01,2,2\n1970-01-01,3,3\n2026-01-01 00:00:05,4,4", 2)]
    [InlineData("2026-01-01 00:00:10,1,1\n2026-01-01 00:01:00,2,2\n2026-01-01 00:01:05,3,3\n2026-01-01 00:00:50,4,4", 3)]
    public async Task A_gap_or_an_old_row_is_no_wrong_time(string rows, int count)
    {
        using ReplaySensor sensor = Open("time,a,b\n" + rows);
        Assert.Equal(count, (await ReadAllAsync(sensor)).Count);
        Assert.Equal(0, sensor.RowsOfWrongTime);
    }

    [Fact]
    public async Task A_wrong_time_is_left_out_of_a_file_with_the_newest_row_first()
    {
        using var sensor = new ReplaySensor(
            new ReplayOptions
            {
                File = _folder.Write(
                    "r.csv",
                    "time,a,b\n2026-01-01 00:00:20,5,5\n2026-01-01 00:00:15,4,4\n2099-01-01 00:00:00,3,3\n2026-01-01 00:00:05,2,2\n"
                        + "2026-01-01 00:00:00,1,1\n"),
                Speed = PlaybackSpeed.Max,
                Order = RowOrder.NewestFirst,
            },
            Columns,
            TimeSpan.FromSeconds(5),
            TimeProvider.System);
        Assert.Equal([(0, 1, 1), (5, 2, 2), (15, 4, 4), (20, 5, 5)], await ReadAllAsync(sensor));
        Assert.Equal("line 4: 2099-01-01 00:00:00", sensor.FirstWrongTime);
    }

    private ReplaySensor Open(string csv, bool loop = false, string? timeColumn = null) => new(
        new ReplayOptions
        {
            File = _folder.Write("x.csv", csv),
            Speed = PlaybackSpeed.Max,
            Loop = loop,
            TimeColumns = timeColumn is null ? [] : [timeColumn],
        },
        Columns,
        TimeSpan.FromSeconds(1),
        TimeProvider.System);

    private async Task<IReadOnlyList<string>> LogAsync(string column)
    {
        var log = new ListLog();
        using var sensor = new ReplaySensor(
            new ReplayOptions { File = _folder.File("r.csv"), Speed = PlaybackSpeed.Max },
            [column],
            TimeSpan.FromSeconds(0.2),
            TimeProvider.System,
            log);
        var reading = new Reading(1);
        while (await sensor.ReadAsync(reading, default))
        {
        }

        return [.. log.Lines.Select(line => line.Text)];
    }

    private static async Task<List<(double Seconds, double A, double B)>> ReadAllAsync(ReplaySensor sensor)
    {
        var rows = new List<(double, double, double)>();
        var reading = new Reading(2);
        while (await sensor.ReadAsync(reading, default))
        {
            rows.Add(((reading.Time - new DateTime(2026, 1, 1)).TotalSeconds, reading.Values[0], reading.Values[1]));
        }

        return rows;
    }
}
