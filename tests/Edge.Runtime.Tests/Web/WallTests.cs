using System.Text;
using System.Text.Json;
using Edge.Runtime.Web;

namespace Edge.Runtime.Tests.Web;

/// <summary>The wall takes what devices publish, and stays whole and small whatever else is published there.</summary>
public sealed class WallTests
{
    private const string Reading =
        """
        {"device":"d","stream":"s","seq":1,"time":"2026-11-21T10:01:28.842Z","model":"7b13c5",
         "channels":{"t":{"unit":"degC","value":30.5}}}
        """;

    private readonly Wall _wall = new();

    [Fact]
    public void It_shows_what_the_last_messages_say()
    {
        Take("edge/d/status", "online");
        Take("edge/d/info", """{"version":"0.1.0"}""");
        Take("edge/d/s/status", "online");
        Take("edge/d/s/reading", Reading);
        Take("edge/d/s/anomaly/state", "ON");
        Take("edge/d/s/anomaly", """{"time":"2026-11-21T10:01:29Z","score":12.7,"message":"t is 30.5 degC, 25.12 degC was expected."}""");
        JsonElement device = Devices()[0];
        Assert.True(device.GetProperty("online").GetBoolean());
        Assert.Equal("0.1.0", device.GetProperty("version").GetString());
        JsonElement stream = device.GetProperty("streams")[0];
        Assert.True(stream.GetProperty("open").GetBoolean());
        Assert.Equal(12.7, stream.GetProperty("score").GetDouble());
        Assert.Equal(30.5, stream.GetProperty("value").GetDouble());
        Assert.Equal("t is 30.5 degC, 25.12 degC was expected.", stream.GetProperty("message").GetString());
        Assert.Equal(0, _wall.Refused);

        // A removed retained message removes the device.
        Take("edge/d/status", "");
        Assert.Equal(0, Devices().GetArrayLength());
    }

    [Theory]
    [InlineData("edge/d/s/reading", "{")]
    [InlineData("edge/d/s/reading", "[]")]
    [InlineData("edge/d/s/reading", "{}")]
    [InlineData("edge/d/s/reading", """{"time":3,"channels":{}}""")]
    [InlineData("edge/d/s/reading", """{"time":"yesterday","channels":{}}""")]
    [InlineData("edge/d/s/reading", """{"time":"2026-11-21T10:01:28Z","channels":[1]}""")]
    [InlineData("edge/d/s/reading", """{"time":"2026-11-21T10:01:28Z","channels":{"t":7}}""")]
    [InlineData("edge/d/s/anomaly", """{"time":"2026-11-21T10:01:28Z","score":1,"message":{}}""")]
    [InlineData("edge/d/info", """{"version":["x"]}""")]
    [InlineData("edge/D/status", "online")]
    [InlineData("edge//status", "online")]
    [InlineData("edge/d/command/status", "online")]
    [InlineData("other/d/status", "online")]
    public void What_is_no_such_message_is_left_out(string topic, string payload)
    {
        Take(topic, payload);
        Assert.Equal(1, _wall.Refused);
        Devices();
    }

    [Fact]
    public void Devices_streams_and_texts_have_limits()
    {
        for (int i = 0; i < Wall.DevicesMax + 50; i++)
        {
            Take($"edge/d{i}/status", "online");
        }

        for (int i = 0; i < Wall.StreamsMax + 50; i++)
        {
            Take($"edge/d0/s{i}/status", "online");
        }

        Take("edge/d0/s0/anomaly", $$"""{"time":"2026-11-21T10:01:28Z","score":1,"message":"{{new string('x', 100_000)}}\u0000"}""");
        Take("edge/d0/s1/reading", new string(' ', 300_000));
        JsonElement devices = Devices();
        Assert.Equal(Wall.DevicesMax, devices.GetArrayLength());
        Assert.Equal(Wall.StreamsMax, devices[0].GetProperty("streams").GetArrayLength());
        Assert.InRange(devices[0].GetProperty("streams")[0].GetProperty("message").GetString()!.Length, 1, 510);
        Assert.Equal(101, _wall.Refused);
    }

    private void Take(string topic, string payload) => _wall.Take(topic, Encoding.UTF8.GetBytes(payload));

    private JsonElement Devices()
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            _wall.Write(json);
            json.WriteEndObject();
        }

        return JsonDocument.Parse(bytes.ToArray()).RootElement.GetProperty("devices");
    }
}
