using Edge.Runtime.Delivery;
using Microsoft.Data.Sqlite;

namespace Edge.Runtime.Tests;

/// <summary>Stored rows are thinned as they get old, within the bounds of the history, and none is lost on the way.</summary>
public sealed class HistoryThinningTests : IDisposable
{
    private static readonly DateTime Start = WrittenRows.Start;

    private readonly WrittenRows _rows = new();

    public void Dispose() => _rows.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(300)]
    [InlineData(100_000)]
    public void A_curve_has_the_range_of_the_rows_at_any_number_of_points(int points)
    {
        using StateStore store = _rows.Open();
        _rows.WriteParts(store, parts: 30, rows: 360, periodSeconds: 10, TimeSpan.FromHours(1));

        _rows.Write(store, rows: 5, periodSeconds: 10);
        HistoryCurve curve = new History(_rows.Folder).Curve("s", Start, Start.AddHours(30).AddSeconds(50), points);
        Assert.InRange(curve.Times.Length, 1, points);
        Assert.Equal(curve.Times.Order(), curve.Times);
        for (int channel = 0; channel < 2; channel++)
        {
            double[] values = [.. _rows.All.Select(row => row.Values[channel]).Where(double.IsFinite)];
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
                _rows.All.Select(row => row.Values[0]).Where(double.IsFinite).Average(), Assert.Single(curve.Channels[0].Mean), 1e-3);
            Assert.Equal(_rows.All.Max(row => row.Score), Assert.Single(curve.Score));
        }

        if (points == 100_000)
        {
            Assert.Equal(_rows.All.Count, curve.Times.Length);
        }
    }

    [Fact]
    public void Rows_beyond_the_age_are_minutes_and_newer_ones_are_rows()
    {
        using StateStore store = _rows.Open(new HistoryOptions { AgeMax = TimeSpan.FromHours(5) });
        _rows.WriteParts(store, parts: 10, rows: 720, periodSeconds: 5, TimeSpan.FromHours(1));

        var history = new History(_rows.Folder);
        HistoryRow[] rows = [.. history.Rows("s", Start, Start.AddDays(1))];
        Assert.InRange(rows[0].Time, Start.AddHours(3), Start.AddHours(5));
        Assert.Equal(_rows.All.Count - rows.Length, rows[0].Seq - 1);
        HistoryCurve old = history.Curve("s", Start, Start.AddHours(2), 10_000);
        Assert.True(old.IsThinned);
        Assert.Equal(120, old.Times.Length);
        double[] first = [.. _rows.All.Take(12).Select(row => row.Values[0]).Where(double.IsFinite)];
        Assert.Equal(first.Min(), old.Channels[0].Min[0], 1e-4);
        Assert.Equal(first.Average(), old.Channels[0].Mean[0], 1e-4);
        Assert.Equal(first.Max(), old.Channels[0].Max[0], 1e-4);
    }

    [Fact]
    public void A_full_history_loses_its_oldest_rows_and_keeps_their_minutes()
    {
        using StateStore store = _rows.Open(new HistoryOptions { SizeMaxBytes = HistoryOptions.SizeMinBytes });
        _rows.WriteParts(store, parts: 60, rows: 3600, periodSeconds: 1, TimeSpan.FromHours(1));

        Assert.InRange(store.History.SizeBytes(), HistoryOptions.SizeMinBytes / 2, HistoryOptions.SizeMinBytes);
        Assert.InRange(new FileInfo(HistoryFile.PathIn(_rows.Folder)).Length, 0, 6 << 20);
        var history = new History(_rows.Folder);
        HistoryRow[] rows = [.. history.Rows("s", Start, Start.AddYears(1))];
        Assert.InRange(rows.Length, 3600, _rows.All.Count / 2);
        Assert.Equal(_rows.All[^1].Seq, rows[^1].Seq);
        HistoryCurve all = history.Curve("s", Start, Start.AddHours(60), 5000);
        Assert.Equal(Start, all.Times[0]);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(60)]
    [InlineData(100)]
    [InlineData(600)]
    [InlineData(3600)]
    [InlineData(10_800)]
    [InlineData(200_000)]
    public void Every_row_is_thinned_once_and_rare_rows_share_a_block(int periodSeconds)
    {
        using StateStore store = _rows.Open();
        _rows.WriteParts(store, parts: 30, rows: 100, periodSeconds, TimeSpan.FromSeconds(100 * periodSeconds));

        foreach (int level in new[] { HistoryFile.Minutes, HistoryFile.Hours })
        {
            List<StoredBlock> blocks = Blocks(level);
            HistorySpan[] spans = [.. blocks.SelectMany(block => SpanBlock.Unpack(block.Bytes))];
            long lastSeq = blocks.Count > 0 ? blocks[^1].LastSeq : 0;

            // Channel 1 has a value in each row.
            Assert.All(blocks.Zip(blocks.Skip(1)), pair => Assert.Equal(pair.First.LastSeq + 1, pair.Second.FirstSeq));
            Assert.Equal(lastSeq, spans.Sum(span => span.Channels[1].Count));
            long ticks = level == HistoryFile.Minutes ? TimeSpan.TicksPerMinute : TimeSpan.TicksPerHour;
            Assert.Equal(spans.Length, spans.Select(span => span.Time / ticks).Distinct().Count());

            // What is not thinned yet is less than three groups.
            long seconds = level == HistoryFile.Minutes ? 3600 : 86_400;
            long ofGroup = Math.Max(seconds / periodSeconds, level == HistoryFile.Minutes ? 30 : 12);
            Assert.InRange(lastSeq, Math.Max(0, _rows.All.Count - (3 * ofGroup) - 100), _rows.All.Count);
            Assert.InRange(blocks.Count, lastSeq / (3 * ofGroup), (lastSeq / ofGroup) + 2);
        }
    }

    [Theory]
    [InlineData(10)]
    [InlineData(60)]
    [InlineData(600)]
    [InlineData(3600)]
    public void Where_rows_begin_and_minutes_end_a_curve_has_no_gap(int periodSeconds)
    {
        using StateStore store = _rows.Open(new HistoryOptions { AgeMax = TimeSpan.FromSeconds(Math.Max(3600, 150 * periodSeconds)) });
        _rows.WriteParts(store, parts: 100, rows: 13, periodSeconds, TimeSpan.FromSeconds(13 * periodSeconds));

        var history = new History(_rows.Folder);
        Assert.InRange(history.Rows("s", Start, Start.AddYears(1)).First().Seq, 300, _rows.All.Count);
        DateTime[] times = history.Curve("s", Start, Start.AddSeconds(1300 * periodSeconds), 10_000).Times;
        Assert.Equal(Start, times[0]);
        TimeSpan most = times.Zip(times.Skip(1), (before, after) => after - before).Max();
        Assert.InRange(most, TimeSpan.Zero, TimeSpan.FromSeconds(Math.Max(60, periodSeconds)));
    }

    [Fact]
    public void A_history_that_fills_up_within_an_hour_keeps_the_minutes_of_the_rows_that_it_loses()
    {
        using StateStore store = _rows.Open(new HistoryOptions { SizeMaxBytes = HistoryOptions.SizeMinBytes });
        _rows.WriteParts(store, parts: 100, rows: 3600, periodSeconds: 0.02, TimeSpan.FromMinutes(11));

        long before = 0;
        foreach (StoredBlock block in Blocks(HistoryFile.Minutes))
        {
            Assert.Equal(before + 1, block.FirstSeq);
            Assert.Equal(1 + block.LastSeq - block.FirstSeq, SpanBlock.Unpack(block.Bytes).Sum(span => span.Channels[1].Count));
            before = block.LastSeq;
        }

        Assert.InRange(new History(_rows.Folder).Rows("s", Start, Start.AddYears(1)).First().Seq, 10_000, before + 1);
    }

    private List<StoredBlock> Blocks(int level)
    {
        using SqliteConnection connection = HistoryFile.OpenToRead(_rows.Folder)!;
        using SqliteCommand command = HistoryTables.Command(
            connection, StoredBlock.Select + " WHERE level = $1 ORDER BY block.id", (long)level);
        using SqliteDataReader row = command.ExecuteReader();
        var blocks = new List<StoredBlock>();
        while (row.Read())
        {
            blocks.Add(StoredBlock.Read(row)!);
        }

        return blocks;
    }
}
