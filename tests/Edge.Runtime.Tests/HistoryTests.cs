using Edge.Inference;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Edge.Testing;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>Stored rows: read back as they were appended, thinned where they must be, within their bounds.</summary>
public sealed class HistoryTests : IDisposable
{
    private static readonly DateTime Start = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private static readonly string[] Columns = ["temperature", "load"];

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly Random _random = new(5);
    private readonly List<HistoryRow> _written = [];
    private long _seq;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Rows_come_back_once_and_in_order_wherever_they_lie()
    {
        using (StateStore store = Open())
        {
            for (int part = 0; part < 4; part++)
            {
                Write(store, rows: 700, periodSeconds: 1);
                AssertRows();
                _clock.Advance(TimeSpan.FromMinutes(11));
                store.Retire();
                AssertRows();
            }

            Write(store, rows: 50, periodSeconds: 1);
            AssertRows();
        }

        Assert.Empty(RowLog.Files(_folder.Path));
        AssertRows();
        Assert.Equal(["s"], new History(_folder.Path).Streams());
        Assert.Equal(Columns, new History(_folder.Path).Columns("s"));
        Assert.Empty(new History(_folder.Path).Rows("other", Start, Start.AddYears(1)));
    }

    [Fact]
    public void A_reset_forgets_rows_for_the_state_and_keeps_them_in_the_history()
    {
        using StateStore store = Open();
        Write(store, rows: 60, periodSeconds: 1);
        Assert.True(store.Append("s", Rows(5, 1), []));
        Assert.Equal(5, store.Load("s")!.Rows.Count);
        Assert.True(store.Reset("s"));
        Assert.Equal((65L, 0, 0), (store.Load("s")!.Seq, store.Load("s")!.Snapshot.Length, store.Load("s")!.Rows.Count));
        AssertRows();
    }

    [Fact]
    public void Rows_go_to_the_history_without_an_array_as_large_as_their_file()
    {
        using StateStore store = Open();
        MqttMessage? last = null;
        for (int tick = 0; tick < 11; tick++)
        {
            last = new MqttMessage { Topic = "t", Payload = new byte[RowLog.FileBytes / 10], Class = MessageClass.Reading };
            Assert.True(store.Append("s", Rows(1, 1), [last]));
        }

        store.Delivered(last!.Id);
        _clock.Advance(TimeSpan.FromMinutes(11));
        long before = GC.GetAllocatedBytesForCurrentThread();
        store.Retire();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, RowLog.FileBytes / 2);
        AssertRows();
    }

    [Fact]
    public void A_span_of_time_is_half_open()
    {
        using StateStore store = Open();
        Write(store, rows: 10, periodSeconds: 1);
        Assert.Equal([3, 4, 5], new History(_folder.Path).Rows("s", Start.AddSeconds(2), Start.AddSeconds(5)).Select(row => row.Seq));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(300)]
    [InlineData(100_000)]
    public void A_curve_has_the_range_of_the_rows_at_any_number_of_points(int points)
    {
        using StateStore store = Open();
        for (int hour = 0; hour < 30; hour++)
        {
            Write(store, rows: 360, periodSeconds: 10);
            _clock.Advance(TimeSpan.FromHours(1));
            store.Retire();
        }

        Write(store, rows: 5, periodSeconds: 10);
        HistoryCurve curve = new History(_folder.Path).Curve("s", Start, Start.AddHours(30).AddSeconds(50), points);
        Assert.InRange(curve.Times.Length, 1, points);
        Assert.Equal(curve.Times.Order(), curve.Times);
        for (int channel = 0; channel < 2; channel++)
        {
            double[] values = [.. _written.Select(row => row.Values[channel]).Where(double.IsFinite)];
            HistoryChannel drawn = curve.Channels[channel];
            Assert.Equal(values.Min(), drawn.Min.Where(double.IsFinite).Min(), 1e-5 * Math.Abs(values.Min()));
            Assert.Equal(values.Max(), drawn.Max.Where(double.IsFinite).Max(), 1e-5 * Math.Abs(values.Max()));
            Assert.All(
                drawn.Min.Zip(drawn.Mean, drawn.Max),
                point => Assert.True(
                    double.IsNaN(point.Second) || (point.First <= point.Second + 1e-3 && point.Second <= point.Third + 1e-3)));
        }

        if (points == 1)
        {
            Assert.Equal(
                _written.Select(row => row.Values[0]).Where(double.IsFinite).Average(), Assert.Single(curve.Channels[0].Mean), 1e-3);
            Assert.Equal(_written.Max(row => row.Score), Assert.Single(curve.Score));
        }

        if (points == 100_000)
        {
            Assert.Equal(_written.Count, curve.Times.Length);
        }
    }

    [Fact]
    public void Rows_beyond_the_age_are_minutes_and_newer_ones_are_rows()
    {
        using StateStore store = Open(new HistoryOptions { AgeMax = TimeSpan.FromHours(5) });
        for (int hour = 0; hour < 10; hour++)
        {
            Write(store, rows: 720, periodSeconds: 5);
            _clock.Advance(TimeSpan.FromHours(1));
            store.Retire();
        }

        var history = new History(_folder.Path);
        HistoryRow[] rows = [.. history.Rows("s", Start, Start.AddDays(1))];
        Assert.InRange(rows[0].Time, Start.AddHours(3), Start.AddHours(5));
        Assert.Equal(_written.Count - rows.Length, rows[0].Seq - 1);
        HistoryCurve old = history.Curve("s", Start, Start.AddHours(2), 10_000);
        Assert.True(old.IsThinned);
        Assert.Equal(120, old.Times.Length);
        double[] first = [.. _written.Take(12).Select(row => row.Values[0]).Where(double.IsFinite)];
        Assert.Equal(first.Min(), old.Channels[0].Min[0], 1e-4);
        Assert.Equal(first.Average(), old.Channels[0].Mean[0], 1e-4);
        Assert.Equal(first.Max(), old.Channels[0].Max[0], 1e-4);
    }

    [Fact]
    public void A_full_history_loses_its_oldest_rows_and_keeps_their_minutes()
    {
        using StateStore store = Open(new HistoryOptions { SizeMaxBytes = HistoryOptions.SizeMinBytes });
        for (int hour = 0; hour < 60; hour++)
        {
            Write(store, rows: 3600, periodSeconds: 1);
            _clock.Advance(TimeSpan.FromHours(1));
            store.Retire();
        }

        Assert.InRange(store.History.SizeBytes(), HistoryOptions.SizeMinBytes / 2, HistoryOptions.SizeMinBytes);
        Assert.InRange(new FileInfo(HistoryFile.PathIn(_folder.Path)).Length, 0, 6 << 20);
        var history = new History(_folder.Path);
        HistoryRow[] rows = [.. history.Rows("s", Start, Start.AddYears(1))];
        Assert.InRange(rows.Length, 3600, _written.Count / 2);
        Assert.Equal(_written[^1].Seq, rows[^1].Seq);
        HistoryCurve all = history.Curve("s", Start, Start.AddHours(60), 5000);
        Assert.Equal(Start, all.Times[0]);
    }

    [Fact]
    public void Events_and_labels_come_back_and_a_label_can_be_removed()
    {
        using (StateStore store = Open())
        {
            Write(store, rows: 1, periodSeconds: 1);
            long id = store.History.AddLabel("s", Start, Start.AddMinutes(1), "a fault");
            store.History.AddLabel("s", Start.AddHours(1), Start.AddHours(2), "Wartung: \"öl\", neu");
            Assert.False(store.History.RemoveLabel("other", id));
            Assert.Equal(2, new History(_folder.Path).Labels("s", Start, Start.AddDays(1)).Count);
            Assert.True(store.History.RemoveLabel("s", id));
        }

        HistoryLabel label = Assert.Single(new History(_folder.Path).Labels("s", Start.AddMinutes(90), Start.AddMinutes(91)));
        Assert.Equal("Wartung: \"öl\", neu", label.Text);
        Assert.Empty(new History(_folder.Path).Labels("s", Start.AddHours(2), Start.AddHours(3)));
    }

    [Fact]
    public void Events_come_back_from_the_log_and_from_the_file_as_they_were()
    {
        HistoryEvent[] events =
        [
            Event("a", HistoryEventKind.Anomaly, "opened") with { Started = Start.AddSeconds(-7), Channel = "load", Severity = "critical" },
            Event("l", HistoryEventKind.Limit, "opened") with { Channel = "temperature", Score = double.NaN },
            Event("m", HistoryEventKind.Model, "taken") with { Severity = "note", Score = double.NaN },
            Event("a", HistoryEventKind.Anomaly, "closed") with { Started = Start.AddSeconds(-7) },
        ];
        using (StateStore store = Open())
        {
            Assert.True(store.Append("s", Rows(1, 1, events: events), []));
            AssertEvents();
            _clock.Advance(TimeSpan.FromMinutes(11));
            store.Retire();
            Assert.True(store.Append("t", Rows(1, 1, events: [Event("b", HistoryEventKind.Anomaly, "opened")]), []));
            AssertEvents();
        }

        AssertEvents();

        void AssertEvents()
        {
            var history = new History(_folder.Path);
            Assert.Equal(events, history.Events("s", Start, Start.AddDays(1)));
            (IReadOnlyList<HistoryEvent> newest, long anomalies) = history.Newest(["s", "none"], 2)["s"];
            Assert.Equal(events[2..], newest);
            Assert.Equal(1, anomalies);
            Assert.Equal(0, history.Newest(["none"], 2)["none"].Anomalies);
        }
    }

    // Before events had a begin, a channel and a severity.
    [Fact]
    public void Events_of_an_earlier_version_are_read_and_its_file_is_written_on()
    {
        HistoryEvent old = Event("a", HistoryEventKind.Anomaly, "opened") with { Channel = null };
        string path = HistoryFile.PathIn(_folder.Path);
        using (SqliteConnection file = HistoryTables.Open(path))
        {
            HistoryTables.AddEvent(file, "s", old);
            foreach (string column in new[] { "started", "channel", "severity" })
            {
                HistoryTables.Execute(file, $"ALTER TABLE event DROP COLUMN {column}");
            }
        }

        HistoryEvent read = Assert.Single(new History(_folder.Path).Events("s", Start, Start.AddDays(1)));
        Assert.Equal((old, "critical", Start), (read, read.Severity, read.Started));

        HistoryEvent next = Event("b", HistoryEventKind.Anomaly, "opened") with { Channel = "load" };
        using (SqliteConnection file = HistoryTables.Open(path))
        {
            HistoryTables.AddEvent(file, "s", next);
        }

        Assert.Equal([old, next], new History(_folder.Path).Events("s", Start, Start.AddDays(1)));
    }

    [Theory]
    [InlineData(0, "a", "must end after it begins")]
    [InlineData(60, "", "1 to 500 characters")]
    [InlineData(60, "  ", "1 to 500 characters")]
    public void A_label_that_is_none_is_refused(int seconds, string text, string part)
    {
        using StateStore store = Open();
        Assert.Contains(
            part,
            Assert.Throws<InputException>(() => store.History.AddLabel("s", Start, Start.AddSeconds(seconds), text)).Message,
            StringComparison.Ordinal);
        Assert.Throws<InputException>(() => store.History.AddLabel("s", Start, Start.AddDays(1), new string('x', 501)));
    }

    [Fact]
    public void A_damaged_history_gives_no_wrong_row_and_costs_no_tick()
    {
        using (StateStore store = Open())
        {
            for (int hour = 0; hour < 8; hour++)
            {
                Write(store, rows: 900, periodSeconds: 4);
                _clock.Advance(TimeSpan.FromHours(1));
                store.Retire();
            }
        }

        string path = HistoryFile.PathIn(_folder.Path);
        byte[] bytes = File.ReadAllBytes(path);
        Dictionary<long, HistoryRow> written = _written.ToDictionary(row => row.Seq);
        for (int i = 0; i < 40; i++)
        {
            byte[] damaged = [.. bytes];
            for (int times = _random.Next(1, 30); times > 0; times--)
            {
                damaged[_random.Next(damaged.Length)] ^= (byte)(1 << _random.Next(8));
            }

            File.WriteAllBytes(path, damaged);
            try
            {
                Assert.All(
                    new History(_folder.Path).Rows("s", Start, Start.AddYears(1)).Where(row => row.Seq <= _written.Count),
                    row => AssertSame(written[row.Seq], row));
                new History(_folder.Path).Curve("s", Start, Start.AddYears(1), 100);
            }
            catch (Exception e) when (e is InputException or SqliteException)
            {
                // Said, not guessed.
            }

            using StateStore store = Open();
            Assert.True(store.Append("s", Rows(1, 1, keep: false), []));
        }
    }

    [Fact]
    public void A_block_that_is_cut_or_changed_is_damaged_not_a_crash()
    {
        using StateStore store = Open();
        Write(store, rows: 500, periodSeconds: 1);
        byte[] packed = RowBlock.Pack(_written);
        Assert.Equal(_written.Count, RowBlock.Unpack(packed).Count);
        for (int i = 0; i < 3000; i++)
        {
            byte[] wrong = i % 2 == 0 ? packed[.._random.Next(packed.Length)] : [.. packed];
            if (wrong.Length > 0)
            {
                wrong[_random.Next(wrong.Length)] ^= (byte)(1 << _random.Next(8));
            }

            try
            {
                RowBlock.Unpack(wrong);
            }
            catch (InvalidDataException)
            {
                // As it should be.
            }
        }
    }

    [Fact]
    public void Any_value_comes_back_from_the_log_as_it_was_bit_for_bit()
    {
        var writer = new PackedWriter();
        double[] values =
        [
            0, -0.0, 1, -1, 0.1, 21.53, -273.15, 1e-9, 1e300, double.NaN, double.PositiveInfinity, double.NegativeInfinity, double.Epsilon,
            0.30000000000000004, 1.0f / 3, 1.0 / 3, 1048575, 1048576, 99999.99999, 4503599627370497.5,
            .. Enumerable.Range(0, 5000).Select(i => Math.Round((_random.NextDouble() - 0.5) * 2000, i % 8)),
            .. Enumerable.Range(0, 5000).Select(_ => BitConverter.Int64BitsToDouble(_random.NextInt64())),
        ];
        foreach (double value in values)
        {
            PackedNumber.Write(writer, value);
        }

        var reader = new PackedReader(writer.Span);
        foreach (double value in values)
        {
            Assert.Equal(BitConverter.DoubleToInt64Bits(value), BitConverter.DoubleToInt64Bits(PackedNumber.Read(ref reader)));
        }
    }

    private StateStore Open(HistoryOptions? options = null) => StateStore.Open(
        _folder.Path, TimeSpan.FromHours(1), TimeSpan.FromDays(7), _clock, "boot", NullLogger.Instance, options);

    private void Write(StateStore store, int rows, double periodSeconds)
    {
        for (int left = rows; left > 0; left -= 60)
        {
            CommittedRows some = Rows(Math.Min(60, left), periodSeconds);
            Assert.True(store.Append("s", some, []));
            Assert.True(left > 60 || store.Commit("s", _seq, [1], "", []));
        }
    }

    // Rows as a sensor gives them: one channel of two decimals, one of floats, now and then a value that is missing, a gap, a clock.
    private CommittedRows Rows(int count, double periodSeconds, bool keep = true, HistoryEvent[]? events = null)
    {
        var rows = new TickRows(Columns);
        var reading = new Reading(2);
        for (int i = 0; i < count; i++)
        {
            reading.Time = Start.AddSeconds(_seq * periodSeconds);
            reading.SkippedTicks = _random.Next(50) == 0 ? 3 : 0;
            reading.ClockIsUnset = _random.Next(50) == 0;
            reading.ClockJump = _random.Next(50) == 0 ? TimeSpan.FromSeconds(-2) : TimeSpan.Zero;
            reading.Values[0] = Math.Round(20 + (5 * Math.Sin(_seq / 100.0)) + _random.NextDouble(), 2);
            reading.Values[1] = _random.NextDouble();
            reading.Quality[0] = _random.Next(40) == 0 ? Quality.Missing : Quality.Good;
            reading.Quality[1] = _random.Next(40) == 0 ? Quality.Stuck : Quality.Good;
            rows.Add(reading);
            int score = _random.Next(3);
            rows.Complete(++_seq, score);
            if (keep)
            {
                _written.Add(
                    new HistoryRow(
                        _seq,
                        reading.Time,
                        [reading.Quality[0].IsMeasured() ? reading.Values[0] : double.NaN, reading.Values[1]],
                        [.. reading.Quality],
                        score,
                        reading.SkippedTicks,
                        reading.ClockJump,
                        reading.ClockIsUnset));
            }
        }

        Array.ForEach(events ?? [], rows.Add);
        return rows.ToCommitted();
    }

    private static HistoryEvent Event(string id, HistoryEventKind kind, string change) =>
        new(7, Start, id, kind, change, 3.5, "A sentence.") { Channel = "" };

    private void AssertRows()
    {
        HistoryRow[] rows = [.. new History(_folder.Path).Rows("s", Start, Start.AddYears(1))];
        Assert.Equal(_written.Select(row => row.Seq), rows.Select(row => row.Seq));
        Assert.All(_written.Zip(rows), pair => AssertSame(pair.First, pair.Second));
    }

    private static void AssertSame(HistoryRow written, HistoryRow read)
    {
        Assert.Equal(
            (written.Time, written.SkippedTicks, written.ClockJump, written.ClockIsUnset),
            (read.Time, read.SkippedTicks, read.ClockJump, read.ClockIsUnset));
        Assert.Equal(written.Quality, read.Quality);
        Assert.Equal(written.Values[0], read.Values[0]);
        Assert.Equal(written.Values[1], read.Values[1], 1e-7);
    }
}
