using System.Text;
using Edge.Inference;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Sensors.Timing;
using Edge.Streams;
using Edge.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>Messages as rows: what becomes of each, and when it is acknowledged.</summary>
public sealed class MqttRowSensorTests : IDisposable
{
    private const string Topic = "plant/rows";

    private static readonly string[] Columns = ["a", "b"];

    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly MqttSubscriber _input;
    private readonly Reading _row = new(2);
    private bool _clockIsSet = true;

    public MqttRowSensorTests() =>
        _input = new MqttSubscriber(() => throw new MqttLinkException("no broker here."), _clock, NullLogger.Instance);

    public void Dispose() => _input.Dispose();

    [Fact]
    public async Task A_row_is_acknowledged_when_it_is_committed_and_not_before()
    {
        using MqttRowSensor sensor = Open();
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Task<bool> first = Send("""{"t":"2026-01-01T00:00:01Z","a":1.5,"b":"-2"}""");
        Assert.True(await read);
        Assert.Equal([1.5, -2], _row.Values);
        Assert.Equal([Quality.Good, Quality.Good], _row.Quality);
        Assert.Equal(new DateTime(2026, 1, 1, 0, 0, 1, DateTimeKind.Utc), _row.Time);
        await Task.Delay(50);
        Assert.False(first.IsCompleted);
        sensor.Committed();
        Assert.True(await first);

        // Nothing is taken, so there is nothing to acknowledge.
        sensor.Committed();
    }

    [Fact]
    public async Task What_is_not_committed_when_the_stream_closes_is_not_acknowledged()
    {
        MqttRowSensor sensor = Open();
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Task<bool> taken = Send(Row(1));
        Assert.True(await read);
        Task<bool> waiting = Send(Row(2));
        sensor.Dispose();
        Assert.False(await taken);
        Assert.False(await waiting);
        Assert.False(await Send(Row(3)));
    }

    [Fact]
    public async Task A_row_that_came_while_nobody_read_is_the_next_one()
    {
        using MqttRowSensor sensor = Open();
        using var cancel = new CancellationTokenSource();
        ValueTask<bool> read = sensor.ReadAsync(_row, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await read);
        Task<bool> sent = Send(Row(1));
        sensor.Committed();
        Assert.False(sent.IsCompleted);
        Assert.True(await sensor.ReadAsync(_row, default));
        sensor.Committed();
        Assert.True(await sent);
    }

    [Fact]
    public async Task A_row_that_comes_again_is_acknowledged_and_left_out()
    {
        using MqttRowSensor sensor = Open();
        sensor.Resume(7, new DateTime(2026, 1, 1, 0, 0, 7, DateTimeKind.Utc));
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Assert.True(await Send(Row(6)));
        Assert.True(await Send(Row(7)));
        _ = Send(Row(10));
        Assert.True(await read);
        Assert.Equal(10, _row.Values[0]);

        // 8 and 9 were missed.
        Assert.Equal(2, _row.SkippedTicks);
    }

    // In the hour that Berlin has twice: a row, one that comes again or late, and the next one, which may begin the second pass.
    [Theory]
    [InlineData("02:59:59", "02:59:59", "02:00:00", 0)]
    [InlineData("02:10:00", "02:09:58", "02:10:01", 0)]
    [InlineData("02:10:00", "02:10:00", "02:10:03", 2)]
    public async Task A_row_that_comes_again_in_the_doubled_hour_stays_in_its_pass(string row, string again, string next, long skipped)
    {
        _clock.Advance(new DateTimeOffset(2026, 10, 25, 1, 0, 0, TimeSpan.Zero) - _clock.GetUtcNow());
        using MqttRowSensor sensor = Open(times: new TimeOptions { Zone = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin") });
        string Local(string time) => $$"""{"t":"2026-10-25T{{time}}","a":1,"b":0}""";
        sensor.Resume(1, new DateTime(2026, 10, 24, 23, 59, 59, DateTimeKind.Utc));
        await ReadAsync(sensor, Local(row));
        DateTime before = _row.Time;
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Assert.True(await Send(Local(again)));
        _ = Send(Local(next));
        Assert.True(await read);
        Assert.Equal((before.AddSeconds(1 + skipped), skipped), (_row.Time, _row.SkippedTicks));
    }

    [Fact]
    public async Task A_number_that_is_none_is_a_fault_of_its_channel()
    {
        using MqttRowSensor sensor = Open();
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        _ = Send("""{"t":1767225601,"a":"off"}""");
        Assert.True(await read);
        Assert.Equal([0, 0], _row.Values);
        Assert.Equal([Quality.Invalid, Quality.Missing], _row.Quality);
        Assert.All(_row.Faults, Assert.NotNull);
    }

    [Fact]
    public async Task A_value_that_is_absent_is_named_with_its_path()
    {
        using MqttRowSensor sensor = Open(values: new() { ["a"] = "$.oil.degC" });
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        _ = Send("""{"t":1767225601,"oel":{"degC":1}}""");
        Assert.True(await read);
        Assert.Equal("a message came without its value ($.oil.degC)", _row.Faults[0]);
        Assert.Equal("a message came without its value", _row.Faults[1]);
    }

    [Theory]
    [InlineData("""{"t":1767225601,"a":NaN,"b":2}""", "neither a number nor JSON (line 1, byte 21): '{")]
    [InlineData("{\"t\":1767225601,\n\"a\":1,", "neither a number nor JSON (line 2, byte ")]
    [InlineData("hello", "neither a number nor JSON: 'hello'")]
    [InlineData("""{"a":1,"b":2}""", "came without its time ($.t)")]
    public async Task Why_a_message_is_no_row_says_where(string payload, string why)
    {
        using MqttRowSensor sensor = Open();
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Assert.True(await Send(payload));
        Assert.Contains(why, sensor.LastSkip, StringComparison.Ordinal);
        _ = Send(Row(1));
        Assert.True(await read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("21.5")]
    [InlineData("[]")]
    [InlineData("""{"a":1,"b":2}""")]
    [InlineData("""{"t":null,"a":1,"b":2}""")]
    [InlineData("""{"t":-1e11,"a":1,"b":2}""")]
    [InlineData("""{"t":1e999,"a":1,"b":2}""")]
    [InlineData("""{"t":"0001-01-01T00:00:00+14:00","a":1,"b":2}""")]
    [InlineData("""{"t":"9999-12-31T23:59:59Z","a":1,"b":2}""")]
    [InlineData("""{"t":"2026-01-02T00:00:05Z","a":1,"b":2}""")]
    [InlineData("{\"t\":\"\\ud800\"}")]
    public async Task A_message_that_is_no_row_is_left_out_and_shuts_nothing_out(string payload)
    {
        using MqttRowSensor sensor = Open();
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Assert.True(await Send(payload));
        Assert.True(await Send(new string('[', 60_000)));
        Assert.True(await Send(new string(' ', 100_000)));
        _ = Send(Row(3));
        Assert.True(await read);
        Assert.Equal(3, _row.Values[0]);
    }

    // 23 hours ahead, and the year 2999: one such row, believed, would shut out every row until then.
    [Theory]
    [InlineData(true, "2026-01-01T23:00:02Z")]
    [InlineData(true, "2999-12-31T00:00:00Z")]
    [InlineData(false, "2026-01-01T23:00:02Z")]
    [InlineData(false, "2999-12-31T00:00:00Z")]
    public async Task A_row_from_the_future_is_left_out_and_counted_and_the_rows_after_it_are_used(bool clockIsSet, string future)
    {
        _clockIsSet = clockIsSet;
        using MqttRowSensor sensor = Open();
        await ReadAsync(sensor, Row(1));
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Assert.True(await Send($$"""{"t":"{{future}}","a":9,"b":9}"""));
        Assert.Equal(1, sensor.SkippedRows);
        Assert.Contains(future[..10], sensor.LastSkip, StringComparison.Ordinal);
        _ = Send(Row(2));
        Assert.True(await read);
        Assert.Equal((2, 0), (_row.Values[0], _row.SkippedTicks));
    }

    [Fact]
    public async Task Three_rows_ahead_of_the_clock_that_agree_are_used_all_of_them_because_then_the_clock_is_wrong()
    {
        _clockIsSet = false;
        using MqttRowSensor sensor = Open();
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Assert.True(await Send(Future(0)));
        Assert.True(await Send(Future(1)));
        Assert.False(read.IsCompleted);
        Task<bool> third = Send(Future(2));
        Assert.True(await read);
        Assert.Equal(0, sensor.SkippedRows);
        Assert.False(_row.ClockIsUnset);
        var used = new List<double> { _row.Values[0] };
        for (int i = 1; i < 3; i++)
        {
            sensor.Committed();
            Assert.False(third.IsCompleted);
            Assert.True(await sensor.ReadAsync(_row, default));
            used.Add(_row.Values[0]);
        }

        sensor.Committed();
        Assert.True(await third);
        Assert.Equal([0, 1, 2], used);
        await ReadAsync(sensor, Future(3));
        Assert.Equal((3, 0), (_row.Values[0], _row.SkippedTicks));
    }

    // A row that is doubted is acknowledged: a process killed before the third would have lost two.
    [Fact]
    public async Task A_start_goes_on_believing_a_sender_whose_clock_is_ahead()
    {
        using MqttRowSensor sensor = Open();
        sensor.Resume(7, new DateTime(2031, 1, 1, 0, 0, 7, DateTimeKind.Utc));
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Task<bool> sent = Send(Future(9));
        Assert.True(await read.AsTask().WaitAsync(Eventually.Bound));
        Assert.Equal((9, 1, 0), (_row.Values[0], _row.SkippedTicks, sensor.SkippedRows));
        Assert.False(sent.IsCompleted);
        sensor.Committed();
        Assert.True(await sent);

        // As within one process, it believes no jump far ahead.
        _ = sensor.ReadAsync(_row, default).AsTask();
        Assert.True(await Send("""{"t":"2031-01-01T00:20:00Z","a":1,"b":0}"""));
        Assert.Equal(1, sensor.SkippedRows);
    }

    [Fact]
    public async Task Rows_behind_one_that_was_believed_and_lies_in_the_future_are_used_when_they_agree()
    {
        using MqttRowSensor sensor = Open();
        sensor.Resume(5, new DateTime(2999, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Assert.True(await Send(Row(1)));
        Assert.True(await Send(Row(2)));
        _ = Send(Row(3));
        Assert.True(await read);
        Assert.Equal(1, _row.Values[0]);
    }

    [Fact]
    public async Task A_list_of_rows_in_one_message_is_acknowledged_when_the_last_of_them_is_committed()
    {
        using MqttRowSensor sensor = Open(rows: "$.metrics");
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Task<bool> sent = Send($$"""{"metrics":[{{Row(1)}},{{Row(2)}},{{Row(2)}},{{Row(4)}}]}""");
        Assert.True(await read);
        var used = new List<double> { _row.Values[0] };
        for (int i = 0; i < 2; i++)
        {
            sensor.Committed();
            Assert.False(sent.IsCompleted);
            Assert.True(await sensor.ReadAsync(_row, default));
            used.Add(_row.Values[0]);
        }

        sensor.Committed();
        Assert.True(await sent);
        Assert.Equal([1, 2, 4], used);

        // The row that came twice is left out; before 4 one is missing.
        Assert.Equal((1, 1), (sensor.SkippedRows, _row.SkippedTicks));
        _ = sensor.ReadAsync(_row, default).AsTask();
        Assert.True(await Send("""{"rows":[]}"""));
        Assert.Contains("without the list of rows ($.metrics)", sensor.LastSkip, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"t":"2026-01-01T00:00:01Z","a":"21,5 °C","b":"-3,25"}""")]
    [InlineData("""{"t":"2026-01-01T00:00:01Z","a":21.5,"b":"-3,25°C"}""")]
    public async Task A_unit_and_a_decimal_comma_are_accepted_where_they_are_configured(string payload)
    {
        using MqttRowSensor sensor = Open(numbers: new NumberOptions("°C", HasDecimalComma: true));
        await ReadAsync(sensor, payload);
        Assert.Equal([21.5, -3.25], _row.Values);
    }

    [Fact]
    public async Task A_shared_subscription_brings_its_rows_and_a_topic_that_nobody_reads_is_not_taken()
    {
        using MqttRowSensor sensor = Open(topic: $"$share/group/{Topic}");
        await ReadAsync(sensor, Row(1));
        Assert.Equal(1, _row.Values[0]);
    }

    [Fact]
    public async Task What_the_broker_had_retained_is_no_row()
    {
        using MqttRowSensor sensor = Open();
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Assert.True(await _input.DispatchAsync(new MqttReceived(Topic, Encoding.UTF8.GetBytes(Row(1)), Retain: true)));
        Assert.False(read.IsCompleted);
        _ = Send(Row(2));
        Assert.True(await read);
    }

    [Fact]
    public async Task Random_bytes_never_throw()
    {
        var random = new Random(5);
        using MqttRowSensor sensor = Open();
        Task reading = ReadAllAsync();
        for (int i = 0; i < 20_000; i++)
        {
            var payload = new byte[random.Next(60)];
            random.NextBytes(payload);
            for (int at = 0; i % 2 == 0 && at < payload.Length; at++)
            {
                payload[at] = (byte)"{}[]\":,abt0123456789eE+-ntrufls\\"[payload[at] % 32];
            }

            Assert.True(await _input.DispatchAsync(new MqttReceived(Topic, payload, false)));
        }

        _ = Send("""{"t":"2026-01-01T00:09:00Z","a":12345,"b":0}""");
        await reading.WaitAsync(Eventually.Bound);

        // Subscribes before it first waits, so that no message comes too early.
        async Task ReadAllAsync()
        {
            while (_row.Values[0] != 12_345 && await sensor.ReadAsync(_row, default))
            {
                Assert.All(_row.Values, value => Assert.True(double.IsFinite(value)));
                sensor.Committed();
            }
        }
    }

    [Fact]
    public void A_column_that_the_model_lacks_is_refused()
    {
        InputException e = Assert.Throws<InputException>(() => Open(new Dictionary<string, string> { ["c"] = "$.c" }));
        Assert.Equal("'values' has c, which the model does not read; its columns are a, b.", e.Message);
    }

    private static string Row(int second) => $$"""{"t":"2026-01-01T00:00:{{second:00}}Z","a":{{second}},"b":0}""";

    private static string Future(int second) =>
        $$"""{"t":"2031-01-01T00:00:{{second:00}}Z","a":{{second}},"b":0}""";

    private async Task ReadAsync(MqttRowSensor sensor, string payload)
    {
        ValueTask<bool> read = sensor.ReadAsync(_row, default);
        Task<bool> sent = Send(payload);
        Assert.True(await read.AsTask().WaitAsync(Eventually.Bound));
        sensor.Committed();
        Assert.True(await sent);
    }

    private MqttRowSensor Open(
        Dictionary<string, string>? values = null,
        string? rows = null,
        NumberOptions? numbers = null,
        string topic = Topic,
        TimeOptions? times = null) => new(
        new MqttRowOptions
        {
            Topic = topic,
            Stream = "s",
            TimePath = "$.t",
            RowsPath = rows,
            Values = values ?? [],
            Numbers = numbers ?? new NumberOptions(),
            Times = times ?? new TimeOptions(),
        },
        Columns,
        TimeSpan.FromSeconds(1),
        _clock,
        new SystemClock(() => TimeSpan.Zero, () => _clockIsSet),
        () => _input,
        NullLogger.Instance);

    private Task<bool> Send(string payload) =>
        _input.DispatchAsync(new MqttReceived(Topic, Encoding.UTF8.GetBytes(payload), false)).AsTask();
}
