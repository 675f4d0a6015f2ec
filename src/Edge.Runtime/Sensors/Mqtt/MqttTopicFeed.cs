using System.Buffers.Text;
using System.Globalization;
using System.Text.Json;
using Edge.Runtime.Configuration;
using Edge.Runtime.Sensors.Channels;

namespace Edge.Runtime.Sensors.Mqtt;

/// <summary>Fills channels from the messages of one topic: a plain number, or numbers in JSON.</summary>
internal sealed class MqttTopicFeed
{
    // A sensor's message is small; a larger one is a mistake or an attack.
    private const int PayloadMaxBytes = 64 << 10;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 16 };

    private readonly (Channel Channel, JsonPath Path, TimeSpan AgeMax)[] _channels;
    private readonly JsonPath? _time;
    private readonly TimeProvider _clock;

    /// <param name="config">Topic, and where its messages carry their time.</param>
    /// <param name="channels">Each with the path of its value and the age past which it is of no use.</param>
    /// <param name="clock">For the age of a message that carries its time.</param>
    internal MqttTopicFeed(MqttDeviceConfig config, IEnumerable<(Channel Channel, string Path, TimeSpan AgeMax)> channels, TimeProvider clock)
    {
        _channels = [.. channels.Select(channel => (channel.Channel, Parse(channel.Path), channel.AgeMax))];
        _time = config.TimePath is { } path ? Parse(path) : null;
        _clock = clock;
    }

    /// <summary>Takes a message, from any thread. What it does not carry is a fault of its channels, never an exception.</summary>
    internal void Take(ReadOnlyMemory<byte> payload)
    {
        if (payload.Length > PayloadMaxBytes)
        {
            FailAll($"a message of {payload.Length} bytes came; {PayloadMaxBytes} is the limit");
            return;
        }

        // The common case needs no document.
        if (_time is null && TryPlainNumber(payload.Span, out double number))
        {
            foreach ((Channel channel, JsonPath _, TimeSpan _) in _channels)
            {
                channel.Add(number, _clock.GetTimestamp());
            }

            return;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(payload, Options);
            Take(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second: a string that is no Unicode, which is noticed when it is read.
            FailAll("a message came that is neither a number nor JSON");
        }
    }

    private void Take(JsonElement root)
    {
        TimeSpan age = TimeSpan.Zero;
        if (_time is not null)
        {
            if (!_time.TryFind(root, out JsonElement stamp) || !TryTime(stamp, out DateTime time))
            {
                FailAll("a message came without a usable time");
                return;
            }

            age = _clock.GetUtcNow().UtcDateTime - time;
        }

        foreach ((Channel channel, JsonPath path, TimeSpan ageMax) in _channels)
        {
            if (!path.TryFind(root, out JsonElement value))
            {
                channel.Fail("a message came without its value");
            }
            else if (age > ageMax)
            {
                channel.Fail(string.Create(CultureInfo.InvariantCulture, $"a message came that was {age.TotalSeconds:0.#} s old"));
            }
            else
            {
                channel.Add(Number(value), _clock.GetTimestamp() - (long)(Math.Max(0, age.TotalSeconds) * _clock.TimestampFrequency));
            }
        }
    }

    private void FailAll(string fault)
    {
        foreach ((Channel channel, JsonPath _, TimeSpan _) in _channels)
        {
            channel.Fail(fault);
        }
    }

    private static bool TryPlainNumber(ReadOnlySpan<byte> payload, out double number) =>
        Utf8Parser.TryParse(payload.Trim(" \t\r\n"u8), out number, out int consumed) && consumed == payload.Trim(" \t\r\n"u8).Length;

    private static double Number(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.GetDouble(),
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        JsonValueKind.String when double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double number) => number,
        _ => double.NaN,
    };

    // RFC 3339, or seconds or milliseconds since 1970.
    private static bool TryTime(JsonElement value, out DateTime time)
    {
        time = default;
        if (value.ValueKind == JsonValueKind.Number)
        {
            double number = value.GetDouble();
            double seconds = Math.Abs(number) > 1e11 ? number / 1000 : number;
            if (Math.Abs(seconds) > 1e11)
            {
                return false;
            }

            time = DateTime.UnixEpoch.AddSeconds(seconds);
            return true;
        }

        return value.ValueKind == JsonValueKind.String
            && DateTime.TryParse(value.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out time);
    }

    private static JsonPath Parse(string path) =>
        JsonPath.TryParse(path, out JsonPath? parsed) ? parsed! : throw new InvalidOperationException($"'{path}' was checked before.");
}
