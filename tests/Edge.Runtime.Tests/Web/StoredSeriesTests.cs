using System.Text;
using System.Text.Json;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Runtime.Hosting;
using Edge.Runtime.Web;
using Edge.Sensors.Simulated;
using Edge.Streams;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests.Web;

/// <summary>Curves of stored rows: what was not measured is not drawn, at any number of points.</summary>
public sealed class StoredSeriesTests : IDisposable
{
    private static readonly DateTime Start = new(2026, 3, 1, 0, 0, 0, DateTimeKind.Utc);
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(Start));
    private readonly SensorStream _stream = new(
        EngineFactory.LoadInt8("demo"),
        new StreamConfig { Name = "climate", Model = "demo", Source = new SimulatedOptions(), Period = Period });

    public void Dispose()
    {
        _stream.Dispose();
        _folder.Dispose();
    }

    // Four hours with a gap of an hour, and a second one of three rows, of which minutes and longer points cannot tell.
    [Theory]
    [InlineData(2000, false, 2)]
    [InlineData(200, false, 2)]
    [InlineData(30, false, 1)]
    [InlineData(2000, true, 2)]
    [InlineData(200, true, 1)]
    [InlineData(30, true, 1)]
    public void A_gap_of_stored_rows_is_a_break(int points, bool isInFile, int breaks)
    {
        using StateStore store = Open(TimeSpan.FromDays(30));
        WriteWithGaps(store);
        if (isInFile)
        {
            Archive(store);
        }

        Assert.Equal(breaks, Breaks(points, hours: 4));
    }

    [Fact]
    public void A_gap_is_a_break_where_rows_were_thinned_to_minutes()
    {
        using StateStore store = Open(TimeSpan.FromHours(6));
        WriteWithGaps(store);
        for (int hour = 4; hour < 24; hour++)
        {
            Write(store, hour * 360, (hour + 1) * 360);
            _clock.Advance(TimeSpan.FromHours(1));
            Archive(store);
        }

        HistoryCurve curve = new History(_folder.Path).Curve("climate", Start, Start.AddHours(4), 2000);
        Assert.All(curve.Ends.Zip(curve.Times), each => Assert.Equal(TimeSpan.FromMinutes(1), each.First - each.Second));
        Assert.Equal(1, Breaks(2000, hours: 4));
        Assert.Equal(1, Breaks(50, hours: 4));
        Assert.Equal(1, Breaks(2000, hours: 24));
    }

    [Fact]
    public void Between_the_stored_rows_and_those_since_the_start_there_is_a_break_if_rows_are_missing()
    {
        using StateStore store = Open(TimeSpan.FromDays(30));
        Write(store, 0, 360);
        Assert.Equal(1, Breaks(2000, hours: 4, ViewOf(firstRow: 400)));
        Assert.Equal(0, Breaks(2000, hours: 4, ViewOf(firstRow: 361)));
    }

    private StateStore Open(TimeSpan rowsFor) => StateStore.Open(
        _folder.Path, TimeSpan.FromHours(1), TimeSpan.FromDays(7), _clock, "boot", NullLogger.Instance,
        new HistoryOptions { AgeMax = rowsFor });

    private void WriteWithGaps(StateStore store)
    {
        Write(store, 0, 360);
        Write(store, 720, 900);
        Write(store, 903, 1440);
    }

    private void Write(StateStore store, int from, int to)
    {
        var rows = new TickRows(_stream.Manifest.Columns);
        for (int row = from; row < to; row++)
        {
            rows.Add(Row(row));
            rows.Complete(row + 1, 0);
        }

        Assert.True(store.Append("climate", rows.ToCommitted(), []));
        Assert.True(store.Commit("climate", to, [1], "", []));
    }

    private void Archive(StateStore store)
    {
        _clock.Advance(TimeSpan.FromMinutes(11));
        store.Retire();
    }

    private StreamView ViewOf(int firstRow)
    {
        var view = new StreamView(() => _stream, 1 << 20);
        for (int i = 0; i < 50; i++)
        {
            view.Observe(_stream.Step(Row(firstRow + i)));
        }

        return view;
    }

    private int Breaks(int points, int hours, StreamView? view = null)
    {
        view ??= new StreamView(() => _stream, 1 << 20);
        Series series = StoredSeries.Read(
            new History(_folder.Path), view, PageEvent.Milliseconds(Start), PageEvent.Milliseconds(Start.AddHours(hours)), points);
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            series.Write(json);
            json.WriteEndObject();
        }

        JsonElement read = JsonDocument.Parse(Encoding.UTF8.GetString(bytes.ToArray())).RootElement;
        long[] times = [.. read.GetProperty("t").EnumerateArray().Select(each => each.GetInt64())];
        Assert.Equal(times.Order(), times);
        return read.GetProperty("v")[0].EnumerateArray().Count(each => each.ValueKind == JsonValueKind.Null);
    }

    private Reading Row(int row)
    {
        var reading = new Reading(_stream.Manifest.Columns.Count) { Time = Start + (row * Period) };
        for (int column = 0; column < reading.Values.Length; column++)
        {
            reading.Values[column] = _stream.Manifest.Denormalize(column, 0.1 * Math.Sin(row / 30.0));
        }

        return reading;
    }
}
