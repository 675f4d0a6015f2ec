using System.Globalization;
using System.Text.Json;
using Edge.Sensors;
using Edge.Sensors.Polling;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Mqtt;

/// <summary>Fills channels from the messages of one topic: a plain number, or numbers in JSON.</summary>
internal sealed class MqttTopicFeed
{
    private readonly MqttTopicOptions _config;
    private readonly (Channel Channel, JsonPath Path, TimeSpan AgeMax)[] _channels;
    private readonly JsonPath? _time;
    private readonly TimeReader _times;
    private readonly ZoneHint _zone;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly LogLimit _limit;

    /// <param name="config">Topic, and how its messages are written.</param>
    /// <param name="channels">Each with the path of its value and the age past which it is of no use.</param>
    /// <param name="clock">For the age of a message that carries its time.</param>
    /// <param name="log">Messages that cannot be read.</param>
    internal MqttTopicFeed(
        MqttTopicOptions config,
        IEnumerable<(Channel Channel, string Path, TimeSpan AgeMax)> channels,
        TimeProvider clock,
        ILogger log)
    {
        _config = config;
        _channels = [.. channels.Select(channel => (channel.Channel, JsonPath.Parse(channel.Path), channel.AgeMax))];
        _time = config.TimePath is { } path ? JsonPath.Parse(path) : null;
        _times = new TimeReader(config.Times);
        _zone = new ZoneHint(config.Topic, log);
        _clock = clock;
        _log = log;
        _limit = new LogLimit(clock);
    }

    /// <summary>Takes a message, from any thread. A missing value is a fault of its channel, never an exception.</summary>
    internal void Take(ReadOnlyMemory<byte> payload)
    {
        // The common case needs no document.
        if (_time is null && MqttPayload.TryPlainNumber(payload.Span, _config.Numbers, out double number))
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

            Say(fault);
        }
    }

    private string? Take(JsonElement root)
    {
        TimeSpan age = TimeSpan.Zero;
        if (_time is not null)
        {
            DateTime now = _clock.GetUtcNow().UtcDateTime;
            if (!_time.TryFind(root, out JsonElement stamp))
            {
                return MqttPayload.NoTime(_time);
            }

            if (MqttPayload.Time(stamp, _times, now, out DateTime time) is { } problem)
            {
                return $"a message came whose time cannot be read: {problem}";
            }

            _zone.Note(_times, time, now);
            age = now - time;
        }

        foreach ((Channel channel, JsonPath path, TimeSpan ageMax) in _channels)
        {
            string? fault = null;
            if (!path.TryFind(root, out JsonElement value))
            {
                fault = MqttPayload.NoValue(path);
            }
            else if (age > ageMax)
            {
                fault = string.Create(CultureInfo.InvariantCulture, $"a message came that was {age.TotalSeconds:0.#} s old");
            }
            else if (MqttPayload.Number(value, _config.Numbers) is var number && !double.IsFinite(number))
            {
                fault = MqttPayload.NotANumber(value);
                channel.Invalid(fault);
                Say(fault);
                continue;
            }
            else
            {
                channel.Add(number, _clock.GetTimestamp() - (long)(Math.Max(0, age.TotalSeconds) * _clock.TimestampFrequency));
                continue;
            }

            channel.Fail(fault);
            Say(fault);
        }

        return null;
    }

    private void Say(string fault)
    {
        if (_limit.Allows(out string more))
        {
            _log.LogWarning("Topic '{Topic}': {Fault}{More}", _config.Topic, fault, more);
        }
    }
}
