using System.Globalization;
using System.Text.Json;
using Edge.Sensors.Polling;

namespace Edge.Runtime.Mqtt;

/// <summary>Fills channels from the messages of one topic: a plain number, or numbers in JSON.</summary>
internal sealed class MqttTopicFeed
{
    private readonly (Channel Channel, JsonPath Path, TimeSpan AgeMax)[] _channels;
    private readonly JsonPath? _time;
    private readonly TimeProvider _clock;

    /// <param name="config">Topic, and where its messages carry their time.</param>
    /// <param name="channels">Each with the path of its value and the age past which it is of no use.</param>
    /// <param name="clock">For the age of a message that carries its time.</param>
    internal MqttTopicFeed(
        MqttTopicOptions config,
        IEnumerable<(Channel Channel, string Path, TimeSpan AgeMax)> channels,
        TimeProvider clock)
    {
        _channels = [.. channels.Select(channel => (channel.Channel, JsonPath.Parse(channel.Path), channel.AgeMax))];
        _time = config.TimePath is { } path ? JsonPath.Parse(path) : null;
        _clock = clock;
    }

    /// <summary>Takes a message, from any thread. A missing value is a fault of its channel, never an exception.</summary>
    internal void Take(ReadOnlyMemory<byte> payload)
    {
        // The common case needs no document.
        if (_time is null && MqttPayload.TryPlainNumber(payload.Span, out double number))
        {
            foreach ((Channel channel, JsonPath _, TimeSpan _) in _channels)
            {
                channel.Add(number, _clock.GetTimestamp());
            }

            return;
        }

        if (MqttPayload.Read(payload, Take) is { } fault)
        {
            foreach ((Channel channel, JsonPath _, TimeSpan _) in _channels)
            {
                channel.Fail(fault);
            }
        }
    }

    private string? Take(JsonElement root)
    {
        TimeSpan age = TimeSpan.Zero;
        if (_time is not null)
        {
            if (!_time.TryFind(root, out JsonElement stamp) || !MqttPayload.TryTime(stamp, out DateTime time))
            {
                return "a message came without a usable time";
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
                channel.Add(
                    MqttPayload.Number(value),
                    _clock.GetTimestamp() - (long)(Math.Max(0, age.TotalSeconds) * _clock.TimestampFrequency));
            }
        }

        return null;
    }
}
