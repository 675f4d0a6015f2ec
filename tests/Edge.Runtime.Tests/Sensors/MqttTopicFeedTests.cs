using System.Text;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Sensors.Polling;
using Edge.Streams;
using Microsoft.Extensions.Logging.Abstractions;

namespace Edge.Runtime.Tests.Sensors;

/// <summary>What the messages of a topic become, whatever they are.</summary>
public sealed class MqttTopicFeedTests
{
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly Reading _row = new(1);

    [Theory]
    [InlineData("21.5", "$", 21.5)]
    [InlineData(" -3e2\n", "$", -300)]
    [InlineData("{\"kw\":4.5}", "$.kw", 4.5)]
    [InlineData("{\"a\":{\"b\":[1,{\"c\":7}]}}", "$.a.b[1].c", 7)]
    [InlineData("{\"my key\":\"8.25\"}", "$['my key']", 8.25)]
    [InlineData("{\"door\":true}", "$.door", 1)]
    [InlineData("[5,6]", "$[1]", 6)]
    public void A_value_is_found(string payload, string path, double expected) =>
        Assert.Equal((Quality.Good, expected), Take(payload, path));

    [Theory]
    [InlineData("NaN", "$", Quality.Invalid)]
    [InlineData("1e999", "$", Quality.Invalid)]
    [InlineData("{\"kw\":\"off\"}", "$.kw", Quality.Invalid)]
    [InlineData("{\"kw\":null}", "$.kw", Quality.Invalid)]
    [InlineData("{\"kw\":{}}", "$.kw", Quality.Invalid)]
    [InlineData("{\"kw\":1e999}", "$.kw", Quality.Invalid)]
    [InlineData("{\"kw\":\"\\ud800\"}", "$.kw", Quality.Missing)]
    [InlineData("{\"kw\":1}", "$.mw", Quality.Missing)]
    [InlineData("{\"kw\":[1]}", "$.kw[3]", Quality.Missing)]
    [InlineData("{\"kw\":", "$.kw", Quality.Missing)]
    [InlineData("", "$", Quality.Missing)]
    [InlineData("21.5 degC", "$", Quality.Missing)]
    internal void A_message_without_a_usable_value_is_a_fault(string payload, string path, Quality expected)
    {
        Assert.Equal(expected, Take(payload, path).Item1);
        Assert.NotNull(_row.Faults[0]);
    }

    // What a sensor, a home automation or a metrics agent sends instead of a number.
    [Theory]
    [InlineData("21.5 °C", "$", "'21.5 °C'")]
    [InlineData("21,5", "$", "'21,5'")]
    [InlineData("unavailable", "$", "'unavailable'")]
    [InlineData("ON", "$", "'ON'")]
    [InlineData("weather,place=roof t=21.5 1764000000", "$", "'weather,place=roof t=21.5 1764000000'")]
    [InlineData("{\"v\":\"21,5\"}", "$.v", "'\"21,5\"'")]
    [InlineData("\u001b[2J", "$", "'\\u001b[2J'")]
    [InlineData("", "$", "an empty message came")]
    public void What_is_no_number_is_said_with_its_text(string payload, string path, string quoted)
    {
        Take(payload, path);
        Assert.Contains(quoted, _row.Faults[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("21.5 °C")]
    [InlineData("21,5°C")]
    [InlineData(" 21,5 ")]
    [InlineData("21,5 °C\n")]
    [InlineData("\ufeff21.5")]
    public void A_unit_and_a_decimal_comma_are_accepted_where_they_are_configured(string payload)
    {
        (Channel channel, MqttTopicFeed feed) = Feed("$", null, new NumberOptions("°C", payload.Contains(',', StringComparison.Ordinal)));
        feed.Take(Encoding.UTF8.GetBytes(payload));
        channel.Take(_row, 0);
        Assert.Equal((Quality.Good, 21.5), (_row.Quality[0], _row.Values[0]));
    }

    [Fact]
    public void Hostile_messages_do_nothing()
    {
        Assert.Equal(Quality.Missing, Take(new string('[', 60_000), "$.kw").Item1);
        Assert.Equal(Quality.Missing, Take(new string('9', 100_000), "$").Item1);
        Assert.Equal(Quality.Missing, Take("\0\u0001\ud83d", "$").Item1);
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = new Random(5);
        (Channel channel, MqttTopicFeed feed) = Feed("$.a[0]", "$.t");
        for (int i = 0; i < 20_000; i++)
        {
            var payload = new byte[random.Next(60)];
            random.NextBytes(payload);
            for (int at = 0; i % 2 == 0 && at < payload.Length; at++)
            {
                payload[at] = (byte)"{}[]\":,a.t0123456789eE+-ntrufals\\"[payload[at] % 33];
            }

            feed.Take(payload);
            channel.Take(_row, 0);
            Assert.True(double.IsFinite(_row.Values[0]));
        }
    }

    [Fact]
    public void A_value_stays_current_for_its_age_and_is_then_missing()
    {
        (Channel channel, MqttTopicFeed feed) = Feed("$", null);
        feed.Take("20"u8.ToArray());
        for (int second = 0; second <= 15; second++)
        {
            channel.Take(_row, 0);
            Assert.Equal(second <= 10 ? Quality.Good : Quality.Missing, _row.Quality[0]);
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal("no value from MQTT topic 'plant/load'", _row.Faults[0]);
    }

    [Theory]
    [InlineData("85.5", Quality.OutOfRange, "the value is above 'max', which is 84: '85.5'")]
    [InlineData("-401", Quality.OutOfRange, "the value is below 'min', which is -400: '-401'")]
    [InlineData("NaN", Quality.Invalid, "the value is not a valid number")]
    [InlineData("\"off\"", Quality.Invalid, "'\"off\"'")]
    internal void A_value_that_cannot_be_used_takes_the_place_of_the_one_before(string payload, Quality quality, string fault)
    {
        (Channel channel, MqttTopicFeed feed) = Feed("$", null);
        feed.Take("20"u8.ToArray());
        channel.Take(_row, 0);
        Assert.Equal((Quality.Good, 20), (_row.Quality[0], _row.Values[0]));

        _clock.Advance(TimeSpan.FromSeconds(1));
        feed.Take(Encoding.UTF8.GetBytes(payload));
        for (int second = 0; second <= 11; second++)
        {
            channel.Take(_row, 0);
            Assert.Equal((second <= 10 ? quality : Quality.Missing, 0), (_row.Quality[0], _row.Values[0]));
            Assert.Contains(second <= 10 ? fault : "no value from", _row.Faults[0], StringComparison.Ordinal);
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        // One that comes less often than a message stays current is known at the next row, however late.
        feed.Take(Encoding.UTF8.GetBytes(payload));
        _clock.Advance(TimeSpan.FromSeconds(30));
        channel.Take(_row, 0);
        Assert.Equal(quality, _row.Quality[0]);
        feed.Take("21"u8.ToArray());
        channel.Take(_row, 0);
        Assert.Equal((Quality.Good, 21, (string?)null), (_row.Quality[0], _row.Values[0], _row.Faults[0]));
    }

    [Theory]
    [InlineData("\"2026-01-01T00:00:00Z\"")]
    [InlineData("1767225600")]
    [InlineData("\"1767225600\"")]
    [InlineData("1767225600000")]
    public void A_message_that_carries_its_time_is_as_old_as_it_says(string stamp)
    {
        (Channel channel, MqttTopicFeed feed) = Feed("$.v", "$.t");
        byte[] message = Encoding.UTF8.GetBytes($"{{\"v\":3,\"t\":{stamp}}}");
        _clock.Advance(TimeSpan.FromSeconds(8));
        feed.Take(message);
        channel.Take(_row, 0);
        Assert.Equal(Quality.Good, _row.Quality[0]);
        _clock.Advance(TimeSpan.FromSeconds(5));
        channel.Take(_row, 0);
        Assert.Equal(Quality.Missing, _row.Quality[0]);

        // The same message again, as a broker would give a retained one.
        feed.Take(message);
        channel.Take(_row, 0);
        Assert.Equal((Quality.Missing, "a message came that was 13 s old"), (_row.Quality[0], _row.Faults[0]));
    }

    private (Quality, double) Take(string payload, string path)
    {
        (Channel channel, MqttTopicFeed feed) = Feed(path, null);
        feed.Take(Encoding.UTF8.GetBytes(payload));
        channel.Take(_row, 0);
        return (_row.Quality[0], _row.Values[0]);
    }

    private (Channel Channel, MqttTopicFeed Feed) Feed(string path, string? timePath, NumberOptions? numbers = null)
    {
        var device = new MqttTopicOptions("plant/load", timePath) { Numbers = numbers ?? new NumberOptions() };
        var age = TimeSpan.FromSeconds(10);
        var channel = new Channel(
            new ChannelOptions { Column = "load", Device = device, Read = path, Range = new ValueRange(-400, 84) },
            (double.NegativeInfinity, double.PositiveInfinity),
            age,
            _clock);
        return (channel, new MqttTopicFeed(device, [(channel, path, age)], _clock, NullLogger.Instance));
    }
}
