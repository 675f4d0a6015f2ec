using System.Globalization;
using System.Text.Json;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Limits;

namespace Edge.Runtime.Payloads;

/// <summary>The messages of limits and anomalies.</summary>
internal sealed partial class StreamPayloads
{
    /// <summary>Writes where each limited channel is.</summary>
    internal MqttMessage LimitStates(IReadOnlyList<LimitState> limits)
    {
        _buffer.ResetWrittenCount();
        _json.Reset();
        _json.WriteStartObject();
        foreach (IGrouping<string, LimitState> channel in limits.GroupBy(limit => limit.Column))
        {
            _json.WriteStartObject(channel.Key);
            foreach (LimitState limit in channel)
            {
                _json.WriteStartObject(Name(limit.Side));
                _json.WriteNumber("limit", limit.Limit);
                _json.WriteString("stage", Name(limit.Stage));
                WriteOrNull("seconds_to_limit", limit.SecondsToLimit);
                _json.WriteEndObject();
            }

            _json.WriteEndObject();
        }

        _json.WriteEndObject();
        _json.Flush();
        return new MqttMessage
        {
            Topic = Topics.LimitState(_device, _stream),
            Payload = _buffer.WrittenSpan.ToArray(),
            Class = MessageClass.Event,
            Retain = true,
            ContentType = "application/json",
        };
    }

    private MqttMessage Limit(long seq, Reading reading, LimitEvent limit)
    {
        Begin(seq, reading.Time);
        _json.WriteString("id", limit.Id);
        _json.WriteString("event", limit.Change.ToString().ToLowerInvariant());
        _json.WriteString("channel", _columns[limit.Column]);
        _json.WriteString(JsonName.Unit, _units[limit.Column]);
        _json.WriteString("side", Name(limit.Side));
        _json.WriteNumber("limit", limit.Limit);
        _json.WriteString("stage", Name(limit.Stage));
        WriteOrNull(JsonName.Value.Value, limit.Value);
        WriteOrNull("seconds_to_limit", limit.SecondsToLimit);
        WriteRounded("probability", limit.Probability);
        _json.WriteString("started", limit.Started.ToString(Timestamp.Format, CultureInfo.InvariantCulture));
        _json.WriteString("stage_since", limit.StageSince.ToString(Timestamp.Format, CultureInfo.InvariantCulture));
        _json.WriteString("message", limit.Message);
        return End(Topics.Limit(_device, _stream), MessageClass.Event, seq);
    }

    private MqttMessage Anomaly(long seq, Reading reading, AnomalyEvent anomaly)
    {
        Begin(seq, reading.Time);
        _json.WriteString("id", anomaly.Id);
        _json.WriteString(
            "event",
            anomaly.Change is AnomalyChange.Closed or AnomalyChange.Accepted or AnomalyChange.Silenced or AnomalyChange.Replaced
                ? "closed"
                : anomaly.Change == AnomalyChange.Opened
                ? "opened"
                : "updated");
        _json.WriteString("kind", anomaly.Cause == AnomalyCause.Sensor ? "sensor" : "process");
        _json.WriteString("cause", Name(anomaly.Cause));
        _json.WriteString("started", anomaly.Started.ToString(Timestamp.Format, CultureInfo.InvariantCulture));
        WriteRounded("score", anomaly.Score);
        _json.WriteNumber("threshold", 1);
        _json.WriteString("severity", anomaly.Severity);
        _json.WriteString("message", anomaly.Message);
        _json.WriteStartObject(JsonName.Channels);
        foreach (AnomalyChannel channel in anomaly.Channels)
        {
            _json.WriteStartObject(_columns[channel.Column]);
            _json.WriteString(JsonName.Unit, _units[channel.Column]);
            if (double.IsNaN(channel.Actual))
            {
                _json.WriteNull("actual");
            }
            else
            {
                _json.WriteNumber("actual", channel.Actual);
            }

            WriteRounded("expected", channel.Expected);
            WriteRounded("share", channel.Share);
            _json.WriteEndObject();
        }

        _json.WriteEndObject();
        return End(Topics.Anomaly(_device, _stream), MessageClass.Event, seq);
    }

    /// <summary>Writes the score of a stream's last tick.</summary>
    /// <param name="seq">Number of the tick.</param>
    /// <param name="time">Its time.</param>
    /// <param name="stream">The stream, after the tick.</param>
    internal MqttMessage Score(long seq, DateTime time, SensorStream stream)
    {
        Begin(seq, time);
        WriteRounded("score", stream.AnomalyScore);
        _json.WriteStartObject("parts");
        foreach (AnomalyCause cause in Causes)
        {
            WriteRounded(Name(cause), stream.ScoreOf(cause));
        }

        _json.WriteEndObject();
        return End(Topics.Score(_device, _stream), MessageClass.Reading, seq, qualityOfService: 0);
    }

    internal MqttMessage AnomalyState(bool isOpen) => new()
    {
        Topic = Topics.AnomalyState(_device, _stream),
        Payload = isOpen ? "ON"u8.ToArray() : "OFF"u8.ToArray(),
        Class = MessageClass.Event,
        Retain = true,
    };

    private static string Name(LimitSide side) => side == LimitSide.High ? "high" : "low";

    private static string Name(LimitStage stage) => stage switch
    {
        LimitStage.Expected => "expected",
        LimitStage.Exceeded => "exceeded",
        _ => "inside",
    };

    private static string Name(AnomalyCause cause) => cause switch
    {
        AnomalyCause.Residual => "surprise",
        AnomalyCause.Pattern => "pattern",
        AnomalyCause.Correlation => "relation",
        AnomalyCause.Level => "level",
        AnomalyCause.Noise => "noise",
        _ => "sensor",
    };
}
