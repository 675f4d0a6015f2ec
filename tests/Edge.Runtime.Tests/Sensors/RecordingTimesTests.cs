using Edge.Inference;
using Edge.Sensors;
using Edge.Sensors.Replay;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Testing;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>Times and numbers of recordings: read as they are meant, or refused with the text that cannot be told.</summary>
public sealed class RecordingTimesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // Windows knows its own names only; it has not run here.
    [Theory]
    [InlineData("Europe/Berlin", "W. Europe Standard Time")]
    [InlineData("America/New_York", "Eastern Standard Time")]
    [InlineData("Asia/Calcutta", "India Standard Time")]
    [InlineData("Eastern Standard Time", "Eastern Standard Time")]
    [InlineData("Europe/Nowhere", "Europe/Nowhere")]
    [InlineData("", "")]
    public void A_zone_has_another_name_on_windows(string name, string windows) => Assert.Equal(windows, TimeOptions.WindowsName(name));

    // Antarctica/Troll alone has none: its summer is two hours ahead of its winter.
    [Fact]
    public void Every_zone_of_this_system_has_a_name_on_windows()
    {
        string[] names = [.. TimeZoneInfo.GetSystemTimeZones().Select(zone => zone.Id).Where(name => name.Contains('/'))];
        Assert.True(names.Length > 300);
        Assert.All(names.Except(["Antarctica/Troll"]), name => Assert.NotEqual(name, TimeOptions.WindowsName(name)));
    }

    [Theory]
    [InlineData("1764000000", "1764000060")]
    [InlineData("1764000000.25", "1764000060.25")]
    [InlineData("1764000000000", "1764000060000")]
    [InlineData("1764000000000000", "1764000060000000")]
    [InlineData("1764000000000000000", "1764000060000000000")]
    [InlineData("2025-11-24T16:00:00.0000001Z", "2025-11-24T16:01:00,123456789Z")]
    [InlineData("20251124T160000Z", "20251124T160100Z")]
    [InlineData("2025-11-24 17:00+01:00", "2025-11-24 17:01+0100")]
    [InlineData("2025-11-24 16:00", "2025-11-24 16:01")]
    public async Task Iso_8601_and_counts_of_any_unit_since_1970_are_read(string first, string second)
    {
        DateTime[] times = await TimesAsync($"time,a\n{first},1\n{second},2\n");
        var expected = new DateTime(2025, 11, 24, 16, 0, 0, DateTimeKind.Utc);
        Assert.InRange(times[0] - expected, TimeSpan.Zero, TimeSpan.FromSeconds(0.3));
        Assert.InRange(times[1] - expected, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1) + TimeSpan.FromSeconds(0.3));
    }

    // A clock that was not set.
    [Fact]
    public async Task A_count_of_0_is_1970_in_the_unit_of_the_others()
    {
        DateTime[] times = await TimesAsync("time,a\n1764000000000,1\n0,2\n1764000120000,3\n");
        Assert.Equal([DateTime.UnixEpoch.AddSeconds(1_764_000_000), DateTime.UnixEpoch.AddSeconds(1_764_000_120)], times);
    }

    [Theory]
    [InlineData("time,a\n08.11.2026 12:00,1\n", "line 2: '08.11.2026 12:00' is not ISO 8601 or a count since 1970: set time_format")]
    [InlineData("time,a\n2026-11-08 12:00,1\n08.11.2026 12:00,1\n", "line 3: '08.11.2026 12:00'")]
    [InlineData("time,a\n,1\n2026-11-25 12:00:00,2\n", "line 2: the time is empty")]
    [InlineData("time,a\n1764000000000,1\n1764000060,2\n1764000120000,3\n", "line 3: '1764000060' counts in another unit")]
    [InlineData("time,a\n1764000000,1\n1764000060,2\nx1,3\n", "line 4: 'x1' is not a count since 1970")]
    [InlineData("time,a\n1764000000,1\n1764000060,2\nx,3\n", "line 4: 'x' is no time but a word")]
    [InlineData("time,a\n0001-01-01T00:00:00,1\n", "line 2: '0001-01-01T00:00:00'")]
    [InlineData("time,a\n2026-02-30,1\n", "line 2: '2026-02-30'")]
    [InlineData("time,a\n12:30,1\n", "line 2: '12:30'")]
    public async Task A_time_that_cannot_be_told_is_an_error_that_quotes_it(string csv, string sentence)
    {
        InputException e = await Assert.ThrowsAsync<InputException>(() => TimesAsync(csv));
        Assert.Contains(sentence, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_format_says_which_of_two_days_is_meant()
    {
        const string Csv = "time,a\n08.11.2026 12:00,1\n09.11.2026 12:00,2\n";
        DateTime[] days = await TimesAsync(Csv, new TimeOptions { Format = "dd.MM.yyyy HH:mm" });
        Assert.Equal([new DateTime(2026, 11, 8, 12, 0, 0), new DateTime(2026, 11, 9, 12, 0, 0)], days);
        DateTime[] months = await TimesAsync(Csv, new TimeOptions { Format = "MM.dd.yyyy HH:mm" });
        Assert.Equal([new DateTime(2026, 8, 11, 12, 0, 0), new DateTime(2026, 9, 11, 12, 0, 0)], months);
    }

    [Theory]
    [InlineData("dd.MM.yyyy HH:mm", true)]
    [InlineData("ns", true)]
    [InlineData("yyyy-MM-dd'T'HH:mm:sszzz", true)]
    [InlineData("HH:mm", false)]
    [InlineData("d", false)]
    [InlineData("%Y-%m-%d", false)]
    public void A_format_must_give_back_the_date_that_it_writes(string format, bool isFormat) =>
        Assert.Equal(isFormat, TimeOptions.IsFormat(format));

    // A day of hours as a clock on a wall in Berlin shows them, around each change.
    [Theory]
    [InlineData("2026-10-25", "00 01 02 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22 23", 22)]
    [InlineData("2026-03-29", "00 01 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22 23", 23)]
    public async Task A_day_of_local_hours_with_a_clock_change_is_every_row_once_in_order_at_its_utc_time(
        string day, string hours, int firstUtcHour)
    {
        string[] rows = [.. hours.Split(' ').Select((hour, i) => $"{day} {hour}:00,{i}")];
        using ReplaySensor sensor = Open($"time,a\n{string.Join('\n', rows)}\n", Berlin);
        var reading = new Reading(1);
        DateTime due = DateTime.Parse(day, System.Globalization.CultureInfo.InvariantCulture).AddDays(-1).AddHours(firstUtcHour);
        for (int i = 0; i < rows.Length; i++, due = due.AddHours(1))
        {
            Assert.True(await sensor.ReadAsync(reading, default));
            Assert.Equal((due, (double)i, 0), (reading.Time, reading.Values[0], reading.SkippedTicks));
        }

        Assert.False(await sensor.ReadAsync(reading, default));
        Assert.Equal(0, sensor.SkippedRows);
    }

    [Fact]
    public async Task Half_hours_of_the_doubled_hour_are_told_apart_by_their_order()
    {
        string[] local = ["02:00", "02:30", "02:00", "02:30", "03:00"];
        DateTime[] times = await TimesAsync(
            $"time,a\n{string.Join('\n', local.Select(time => $"2026-10-25 {time},1"))}\n", Berlin);
        Assert.Equal([0, 0.5, 1, 1.5, 2], times.Select(time => (time - new DateTime(2026, 10, 25)).TotalHours));
    }

    // Ten minutes from row to row, from 01:00 to the end of the doubled hour, and one row more in each pass: the same time again, as of a
    // second device, or one that is some seconds or minutes late.
    [Theory]
    [InlineData("02:00:00")]
    [InlineData("02:29:57")]
    [InlineData("02:30:00")]
    [InlineData("02:25:00")]
    public async Task A_row_that_comes_again_or_late_in_the_doubled_hour_stays_in_its_pass(string again)
    {
        string[] hour = ["02:00:00", "02:10:00", "02:20:00", "02:30:00", "02:40:00", "02:50:00"];
        int at = 1 + hour.Count(time => string.CompareOrdinal(time, again) < 0);
        string[] withMore = [.. hour.Take(at), again, .. hour.Skip(at)];
        string[] local = ["01:40:00", "01:50:00", .. withMore, .. withMore, "03:00:00"];
        DateTime[] times = await TimesAsync(
            $"time,a\n{string.Join('\n', local.Select(time => $"2026-10-25 {time},1"))}\n", Berlin);
        Assert.Equal(
            Enumerable.Range(-2, 15).Select(row => 10.0 * row), times.Select(time => (time - new DateTime(2026, 10, 25)).TotalMinutes));
    }

    // Two devices in one file: each time twice, or a second apart and now and then in the other order, of which one row is left out.
    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 1)]
    [InlineData(30, 0)]
    public async Task Rows_of_two_devices_in_one_file_stay_in_their_pass(int minutes, int apart)
    {
        DateTime first = new(2026, 10, 24, 23, 0, 0);
        DateTime[] rows =
        [
            .. Enumerable.Range(0, 240 / minutes).Select(row => first.AddMinutes(minutes * row)).SelectMany((time, row) =>
                row % 7 == 3 ? (DateTime[])[time.AddSeconds(apart), time] : [time, time.AddSeconds(apart)]),
        ];
        IEnumerable<string> local = rows.Select(utc => $"{TimeZoneInfo.ConvertTimeFromUtc(utc, Berlin.Zone!):yyyy-MM-dd HH:mm:ss},1");
        DateTime[] times = await TimesAsync($"time,a\n{string.Join('\n', local)}\n", Berlin);
        Assert.Equal(rows.Where((utc, i) => i + 1 == rows.Length || rows[i + 1] >= utc).Distinct(), times);
    }

    [Fact]
    public async Task An_hour_that_a_zone_does_not_have_is_an_error()
    {
        InputException e = await Assert.ThrowsAsync<InputException>(() => TimesAsync("time,a\n2026-03-29 02:30,1\n", Berlin));
        Assert.Contains("2026-03-29 02:30 does not exist in Europe/Berlin", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Date_and_time_in_two_columns_are_one_time()
    {
        DateTime[] times = await TimesAsync(
            "Date;Time;a\n12/01/2009;23:50:00;1\n13/01/2009;00:00:00;2\n", new TimeOptions { Format = "dd/MM/yyyy HH:mm:ss" });
        Assert.Equal([new DateTime(2009, 1, 12, 23, 50, 0), new DateTime(2009, 1, 13)], times);
    }

    [Fact]
    public async Task A_file_with_the_newest_row_first_is_refused_or_read_backwards()
    {
        const string Csv = "time,a\n2026-01-03,3\n2026-01-02,2\n2026-01-01,1\n";
        InputException e = Assert.Throws<InputException>(() => Open(Csv));
        Assert.Contains("have the newest row first. Set 'order: newest_first'", e.Message, StringComparison.Ordinal);
        using ReplaySensor sensor = Open(Csv, order: RowOrder.NewestFirst);
        var reading = new Reading(1);
        for (int day = 1; day <= 3; day++)
        {
            Assert.True(await sensor.ReadAsync(reading, default));
            Assert.Equal((new DateTime(2026, 1, day), (double)day), (reading.Time, reading.Values[0]));
        }

        Assert.False(await sensor.ReadAsync(reading, default));
        Assert.Contains(
            "have the oldest row first",
            Assert.Throws<InputException>(() => Open("time,a\n2026-01-01,3\n2026-01-02,2\n2026-01-03,1\n", order: RowOrder.NewestFirst))
                .Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gaps_are_marked_and_rows_that_are_not_newer_are_left_out_as_those_of_a_live_source()
    {
        using ReplaySensor sensor = Open(
            "time,a\n2026-01-01 00:00,1\n2026-01-01 00:10,2\n2026-01-01 00:10,3\n2026-01-01 00:40,4\n2026-01-01 00:05,5\n"
                + "2026-01-01 00:50,6\n");
        var reading = new Reading(1);
        var rows = new List<(double, long)>();
        while (await sensor.ReadAsync(reading, default))
        {
            rows.Add((reading.Values[0], reading.SkippedTicks));
        }

        Assert.Equal([(1, 0), (2, 0), (4, 2), (6, 0)], rows);
        Assert.Equal(2, sensor.SkippedRows);
        Assert.Contains("2026-01-01 00:05 is not newer", sensor.LastSkip, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("time;a\n2026-01-01;19,688\n2026-01-02;20\n")]
    [InlineData("time\ta\n2026-01-01\t19,6880\n2026-01-02\t20\n")]
    [InlineData("time,a\n2026-01-01,\"19,6880\"\n2026-01-02,20\n")]
    public async Task A_decimal_comma_is_read_where_the_separator_allows_it(string csv)
    {
        using ReplaySensor sensor = Open(csv);
        var reading = new Reading(1);
        Assert.True(await sensor.ReadAsync(reading, default));
        Assert.Equal(19.688, reading.Values[0]);
        Assert.True(await sensor.ReadAsync(reading, default));
        Assert.Equal(20, reading.Values[0]);
    }

    [Theory]
    [InlineData("time,a\n2026-01-01,19,688\n2026-01-02,20,244\n")]
    [InlineData("time;a\n2026-01-01;19,688\n2026-01-02;20.244\n")]
    public void Where_it_cannot_be_told_from_something_else_it_is_refused_by_name(string csv) =>
        Assert.Contains("decimal comma", Assert.Throws<InputException>(() => Open(csv)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("time,a\n", "have no row")]
    [InlineData("time,a\n2026-01-01,x\n2026-01-02,\n", "have no row with a number in every column (line 2: 'a' is 'x')")]
    public async Task A_recording_without_one_usable_row_is_an_error(string csv, string sentence)
    {
        InputException e = await Assert.ThrowsAsync<InputException>(() => TimesAsync(csv));
        Assert.Contains(sentence, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/dev/zero", "is a device, not a file")]
    [InlineData("FIFO", "is a FIFO, not a file")]
    public async Task A_device_or_a_fifo_is_refused_before_it_is_read(string path, string sentence)
    {
        if (path == "FIFO")
        {
            path = _folder.File("pipe");
            using var make = System.Diagnostics.Process.Start("mkfifo", [path]);
            await make.WaitForExitAsync();
        }

        InputException e = Assert.Throws<InputException>(
            () => new ReplaySensor(new ReplayOptions { File = path }, ["a"], TimeSpan.FromSeconds(1), TimeProvider.System));
        Assert.Contains(sentence, e.Message, StringComparison.Ordinal);
    }

    private static TimeOptions Berlin { get; } = new() { Zone = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin") };

    private ReplaySensor Open(string csv, TimeOptions? times = null, RowOrder order = RowOrder.OldestFirst) => new(
        new ReplayOptions
        {
            File = _folder.Write("x.csv", csv),
            Speed = PlaybackSpeed.Max,
            Times = times ?? new TimeOptions(),
            Order = order,
        },
        ["a"],
        TimeSpan.FromHours(1),
        TimeProvider.System);

    private async Task<DateTime[]> TimesAsync(string csv, TimeOptions? times = null)
    {
        using ReplaySensor sensor = Open(csv, times);
        var reading = new Reading(1);
        var read = new List<DateTime>();
        while (await sensor.ReadAsync(reading, default))
        {
            read.Add(reading.Time);
        }

        return [.. read];
    }
}
