using Edge.Inference;
using Edge.Runtime.Delivery;
using Edge.Runtime.Mqtt;
using Edge.Streams;
using Edge.Testing;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests;

/// <summary>Stored rows, events and labels: read back as they were appended, also beside damage.</summary>
public sealed class HistoryTests : IDisposable
{
    private static readonly DateTime Start = WrittenRows.Start;

    private readonly WrittenRows _rows = new();
    private readonly Random _random = new(6);

    public void Dispose() => _rows.Dispose();

    [Fact]
    public void Rows_come_back_once_and_in_order_wherever_they_lie()
    {
        using (StateStore store = _rows.Open())
        {
            for (int part = 0; part < 4; part++)
            {
                _rows.Write(store, rows: 700, periodSeconds: 1);
                AssertRows();
                _rows.Clock.Advance(TimeSpan.FromMinutes(11));
                store.Retire();
                AssertRows();
            }

            _rows.Write(store, rows: 50, periodSeconds: 1);
            AssertRows();
        }

        Assert.Empty(RowLog.Files(_rows.Folder));
        AssertRows();
        Assert.Equal(["s"], new History(_rows.Folder).Streams());
        Assert.Equal(WrittenRows.Columns, new History(_rows.Folder).Columns("s"));
        Assert.Empty(new History(_rows.Folder).Rows("other", Start, Start.AddYears(1)));
    }

    [Fact]
    public void A_reset_forgets_rows_for_the_state_and_keeps_them_in_the_history()
    {
        using StateStore store = _rows.Open();
        _rows.Write(store, rows: 60, periodSeconds: 1);
        Assert.True(store.Append("s", _rows.Make(5, 1), []));
        Assert.Equal(5, store.Load("s")!.Rows.Count);
        Assert.True(store.Reset("s"));
        Assert.Equal((65L, 0, 0), (store.Load("s")!.Seq, store.Load("s")!.Snapshot.Length, store.Load("s")!.Rows.Count));
        AssertRows();
    }

    [Fact]
    public void Rows_go_to_the_history_without_an_array_as_large_as_their_file()
    {
        using StateStore store = _rows.Open();
        MqttMessage? last = null;
        for (int tick = 0; tick < 11; tick++)
        {
            last = new MqttMessage { Topic = "t", Payload = new byte[RowLog.FileBytes / 10], Class = MessageClass.Reading };
            Assert.True(store.Append("s", _rows.Make(1, 1), [last]));
        }

        store.Delivered(last!.Id);
        _rows.Clock.Advance(TimeSpan.FromMinutes(11));
        long before = GC.GetAllocatedBytesForCurrentThread();
        store.Retire();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, RowLog.FileBytes / 2);
        AssertRows();
    }

    [Fact]
    public void A_span_of_time_is_half_open()
    {
        using StateStore store = _rows.Open();
        _rows.Write(store, rows: 10, periodSeconds: 1);
        Assert.Equal([3, 4, 5], new History(_rows.Folder).Rows("s", Start.AddSeconds(2), Start.AddSeconds(5)).Select(row => row.Seq));
    }

    [Fact]
    public void Events_and_labels_come_back_and_a_label_can_be_removed()
    {
        using (StateStore store = _rows.Open())
        {
            _rows.Write(store, rows: 1, periodSeconds: 1);
            long id = store.History.AddLabel("s", Start, Start.AddMinutes(1), "a fault");
            store.History.AddLabel("s", Start.AddHours(1), Start.AddHours(2), "Wartung: \"öl\", neu");
            Assert.False(store.History.RemoveLabel("other", id));
            Assert.Equal(2, new History(_rows.Folder).Labels("s", Start, Start.AddDays(1)).Count);
            Assert.True(store.History.RemoveLabel("s", id));
        }

        HistoryLabel label = Assert.Single(new History(_rows.Folder).Labels("s", Start.AddMinutes(90), Start.AddMinutes(91)));
        Assert.Equal("Wartung: \"öl\", neu", label.Text);
        Assert.Empty(new History(_rows.Folder).Labels("s", Start.AddHours(2), Start.AddHours(3)));
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
        using (StateStore store = _rows.Open())
        {
            Assert.True(store.Append("s", _rows.Make(1, 1, events: events), []));
            AssertEvents();
            _rows.Clock.Advance(TimeSpan.FromMinutes(11));
            store.Retire();
            Assert.True(store.Append("t", _rows.Make(1, 1, events: [Event("b", HistoryEventKind.Anomaly, "opened")]), []));
            AssertEvents();
        }

        AssertEvents();

        void AssertEvents()
        {
            var history = new History(_rows.Folder);
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
        string path = HistoryFile.PathIn(_rows.Folder);
        using (SqliteConnection file = HistoryTables.Open(path))
        {
            HistoryTables.AddEvent(file, "s", old);
            foreach (string column in new[] { "started", "channel", "severity" })
            {
                HistoryTables.Execute(file, $"ALTER TABLE event DROP COLUMN {column}");
            }
        }

        HistoryEvent read = Assert.Single(new History(_rows.Folder).Events("s", Start, Start.AddDays(1)));
        Assert.Equal((old, "critical", Start), (read, read.Severity, read.Started));

        HistoryEvent next = Event("b", HistoryEventKind.Anomaly, "opened") with { Channel = "load" };
        using (SqliteConnection file = HistoryTables.Open(path))
        {
            HistoryTables.AddEvent(file, "s", next);
        }

        Assert.Equal([old, next], new History(_rows.Folder).Events("s", Start, Start.AddDays(1)));
    }

    [Theory]
    [InlineData(0, "a", "must end after it begins")]
    [InlineData(60, "", "1 to 500 characters")]
    [InlineData(60, "  ", "1 to 500 characters")]
    public void A_label_that_is_none_is_refused(int seconds, string text, string part)
    {
        using StateStore store = _rows.Open();
        Assert.Contains(
            part,
            Assert.Throws<InputException>(() => store.History.AddLabel("s", Start, Start.AddSeconds(seconds), text)).Message,
            StringComparison.Ordinal);
        Assert.Throws<InputException>(() => store.History.AddLabel("s", Start, Start.AddDays(1), new string('x', 501)));
    }

    [Fact]
    public void A_damaged_history_gives_no_wrong_row_and_costs_no_tick()
    {
        using (StateStore store = _rows.Open())
        {
            for (int hour = 0; hour < 8; hour++)
            {
                _rows.Write(store, rows: 900, periodSeconds: 4);
                _rows.Clock.Advance(TimeSpan.FromHours(1));
                store.Retire();
            }
        }

        string path = HistoryFile.PathIn(_rows.Folder);
        byte[] bytes = File.ReadAllBytes(path);
        Dictionary<long, HistoryRow> written = _rows.All.ToDictionary(row => row.Seq);
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
                    new History(_rows.Folder).Rows("s", Start, Start.AddYears(1)).Where(row => row.Seq <= _rows.All.Count),
                    row => AssertSame(written[row.Seq], row));
                new History(_rows.Folder).Curve("s", Start, Start.AddYears(1), 100);
            }
            catch (Exception e) when (e is InputException or SqliteException)
            {
                // Said, not guessed.
            }

            using StateStore store = _rows.Open();
            Assert.True(store.Append("s", _rows.Make(1, 1, keep: false), []));
        }
    }

    [Fact]
    public void A_block_that_is_cut_or_changed_is_damaged_not_a_crash()
    {
        using StateStore store = _rows.Open();
        _rows.Write(store, rows: 500, periodSeconds: 1);
        byte[] packed = RowBlock.Pack(_rows.All);
        Assert.Equal(_rows.All.Count, RowBlock.Unpack(packed).Count);
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

    private static HistoryEvent Event(string id, HistoryEventKind kind, string change) =>
        new(7, Start, id, kind, change, 3.5, "A sentence.") { Channel = "" };

    private void AssertRows()
    {
        HistoryRow[] rows = [.. new History(_rows.Folder).Rows("s", Start, Start.AddYears(1))];
        Assert.Equal(_rows.All.Select(row => row.Seq), rows.Select(row => row.Seq));
        Assert.All(_rows.All.Zip(rows), pair => AssertSame(pair.First, pair.Second));
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
