using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Runtime.Mqtt;
using Edge.Sensors;
using Edge.Streams;
using Edge.Streams.Detection;
using Edge.Streams.Forecasting;
using Edge.Streams.Limits;

namespace Edge.Runtime.Payloads;

/// <summary>Writes one stream's messages as docs/mqtt.md says: the same ticks give the same bytes.</summary>
internal sealed partial class StreamPayloads : IDisposable
{
    private const uint EntitiesExpirySeconds = 60;

    private static readonly AnomalyCause[] Causes = Enum.GetValues<AnomalyCause>();

    private readonly string _device;
    private readonly string _stream;
    private readonly ModelManifest _manifest;
    private readonly PublishOptions _publish;
    private readonly JsonEncodedText _deviceText;
    private readonly JsonEncodedText _streamText;
    private readonly JsonEncodedText _modelText;
    private readonly JsonEncodedText[] _columns;
    private readonly JsonEncodedText[] _units;
    private readonly string _model;
    private readonly double _interval;
    private readonly uint _expirySeconds;
    private readonly int[] _horizons;
    private readonly int[][] _outputsOfColumn;
    private readonly string _readingTopic;
    private readonly string _forecastTopic;
    private readonly NamedPayload? _named;
    private readonly ArrayBufferWriter<byte> _buffer = new(1024);
    private readonly Utf8JsonWriter _json;

    /// <param name="device">The device's name.</param>
    /// <param name="stream">The stream; its model must stay the same.</param>
    /// <param name="publish">Which messages of a tick are published.</param>
    /// <param name="expiry">Age at which readings and forecasts expire.</param>
    internal StreamPayloads(string device, SensorStream stream, PublishOptions publish, TimeSpan expiry)
    {
        ModelManifest manifest = stream.Manifest;
        _device = device;
        _stream = stream.Name;
        _manifest = manifest;
        _publish = publish;
        _model = InfoMessage.ModelOf(stream.Engine);
        _deviceText = PayloadJson.Encode(device);
        _streamText = PayloadJson.Encode(stream.Name);
        _modelText = PayloadJson.Encode(_model);
        _columns = [.. manifest.Columns.Select(column => PayloadJson.Encode(column))];
        _units = [.. manifest.Units.Select(unit => PayloadJson.Encode(unit))];
        _interval = stream.Options.Forecast.Interval;
        _expirySeconds = (uint)Math.Clamp(expiry.TotalSeconds, 1, uint.MaxValue);
        int[] forecasts = [.. manifest.ForecastOutputs];
        _horizons = [.. forecasts.Select(output => manifest.Outputs[output].TicksAhead).Distinct().Order()];
        _outputsOfColumn =
        [
            .. Enumerable.Range(0, manifest.Columns.Count).Select(column => _horizons
                .Select(ticks => forecasts.Where(
                    output => manifest.Outputs[output].Column == column && manifest.Outputs[output].TicksAhead == ticks).FirstOrDefault(-1))
                .ToArray()),
        ];
        _named = NamedPayload.Of(manifest);
        _readingTopic = Topics.Reading(device, stream.Name);
        _forecastTopic = Topics.Forecast(device, stream.Name);
        _json = new Utf8JsonWriter(_buffer, PayloadJson.Options);
    }

    /// <summary>Writes a tick's messages, in the order in which they are published.</summary>
    /// <param name="tick">The tick.</param>
    /// <param name="into">Receives the messages.</param>
    internal void Render(StreamTick tick, List<MqttMessage> into)
    {
        if (_publish.Readings)
        {
            into.Add(Reading(tick.Seq, tick.Reading));
        }

        if (_publish.Forecasts && tick.Forecast is { } forecast)
        {
            into.Add(Forecast(tick.Seq, tick.Reading.Time, forecast));
        }

        if (_publish.Forecasts && _named is not null && tick.Named is { } named)
        {
            Begin(tick.Seq, tick.Reading.Time);
            _named.Write(_json, named);
            into.Add(End(Topics.Output(_device, _stream), MessageClass.Forecast, tick.Seq));
        }

        if (tick.Anomaly is { } anomaly)
        {
            into.Add(Anomaly(tick.Seq, tick.Reading, anomaly));
            if (anomaly.Change != AnomalyChange.Updated)
            {
                into.Add(AnomalyState(anomaly.Change == AnomalyChange.Opened));
            }
        }

        foreach (LimitEvent limit in tick.Limits)
        {
            into.Add(Limit(tick.Seq, tick.Reading, limit));
        }
    }

    /// <summary>Writes what the entities of a home automation see of a tick: values, and forecasts by horizon.</summary>
    internal MqttMessage Entities(StreamTick tick)
    {
        _buffer.ResetWrittenCount();
        _json.Reset();
        _json.WriteStartObject();
        if (_publish.Readings)
        {
            _json.WriteStartObject("reading");
            for (int i = 0; i < _manifest.Columns.Count; i++)
            {
                if (tick.Reading.Quality[i] is Quality.Good or Quality.Held or Quality.Stuck)
                {
                    _json.WritePropertyName(_columns[i]);
                    WriteRounded(tick.Reading.Values[i]);
                }
                else
                {
                    _json.WriteNull(_columns[i]);
                }
            }

            _json.WriteEndObject();
        }

        if (_publish.Forecasts)
        {
            _json.WriteStartObject("forecast");
            for (int column = 0; column < _manifest.Columns.Count; column++)
            {
                int[] outputs = _outputsOfColumn[column];
                if (!Array.TrueForAll(outputs, output => output < 0))
                {
                    WriteSeries(_columns[column], tick.Forecast is null ? [.. outputs.Select(_ => -1)] : outputs, tick.Forecast, 0);
                }
            }

            _json.WriteEndObject();
        }

        _json.WriteEndObject();
        _json.Flush();
        return new MqttMessage
        {
            Topic = Topics.Entities(_device, _stream),
            Payload = _buffer.WrittenSpan.ToArray(),
            Class = MessageClass.Reading,
            QualityOfService = 0,
            ContentType = "application/json",
            ExpirySeconds = EntitiesExpirySeconds,
        };
    }

    private MqttMessage Reading(long seq, Reading reading)
    {
        Begin(seq, reading.Time);
        if (reading.SkippedTicks > 0)
        {
            _json.WriteNumber("gap_ticks", reading.SkippedTicks);
        }

        if (reading.ClockIsUnset)
        {
            _json.WriteString("clock", "unsynchronised");
        }

        if (reading.ClockJump != TimeSpan.Zero)
        {
            _json.WritePropertyName("clock_jump_seconds");
            WriteRounded(reading.ClockJump.TotalSeconds);
        }

        _json.WriteStartObject(JsonName.Channels);
        for (int i = 0; i < _manifest.Columns.Count; i++)
        {
            Quality quality = reading.Quality[i];
            _json.WriteStartObject(_columns[i]);
            _json.WriteString(JsonName.Unit, _units[i]);
            if (quality is Quality.Good or Quality.Held or Quality.Stuck)
            {
                _json.WriteNumber(JsonName.Value, reading.Values[i]);
            }
            else
            {
                _json.WriteNull(JsonName.Value);
            }

            if (quality != Quality.Good)
            {
                _json.WriteString("quality", Name(quality));
            }

            _json.WriteEndObject();
        }

        _json.WriteEndObject();
        return End(_readingTopic, MessageClass.Reading, seq, qualityOfService: 0);
    }

    private MqttMessage Forecast(long seq, DateTime time, Forecast forecast)
    {
        Begin(seq, time);
        _json.WriteStartArray(JsonName.Horizon);
        foreach (int ticks in _horizons)
        {
            WriteRounded(ticks * _manifest.PeriodSeconds);
        }

        _json.WriteEndArray();
        _json.WriteStartObject(JsonName.Channels);
        for (int column = 0; column < _manifest.Columns.Count; column++)
        {
            int[] outputs = _outputsOfColumn[column];
            if (Array.TrueForAll(outputs, output => output < 0))
            {
                continue;
            }

            _json.WriteStartObject(_columns[column]);
            _json.WriteString(JsonName.Unit, _units[column]);
            WriteSeries(JsonName.Value, outputs, forecast, 0);
            WriteSeries(JsonName.Low, outputs, forecast, -1);
            WriteSeries(JsonName.High, outputs, forecast, 1);
            _json.WriteEndObject();
        }

        _json.WriteEndObject();
        _json.WriteNumber(JsonName.Interval, _interval);
        return End(_forecastTopic, MessageClass.Forecast, seq);
    }

    /// <param name="seq">Number of the last tick.</param>
    /// <param name="reading">Its row.</param>
    /// <param name="health">How the stream is doing.</param>
    /// <param name="skippedRows">Rows that could not be used as a row.</param>
    /// <param name="lastSkip">Why the last of them was not used; null if none was skipped.</param>
    internal MqttMessage Health(long seq, Reading reading, StreamHealth health, long skippedRows, string? lastSkip)
    {
        Begin(seq, reading.Time);
        if (skippedRows > 0)
        {
            _json.WriteNumber("skipped_rows", skippedRows);
        }

        if (lastSkip is not null)
        {
            _json.WriteString("last_skipped", lastSkip);
        }

        _json.WriteNumber("ticks", health.Ticks);
        _json.WriteNumber("forecasts", health.Forecasts);
        _json.WriteNumber("missed_ticks", health.MissedTicks);
        _json.WriteNumber("anomalies", health.Anomalies);
        WriteRounded("score", health.AnomalyScore);
        _json.WriteString("detection", health.Detection);
        WriteOrNull("outside", health.OutsideShare);
        WriteOrNull("coverage", health.Coverage);
        WriteOrNull("skill", health.Skill);
        WriteOrNull("skill_seasonal", health.SeasonalSkill);
        _json.WriteNumber("corrected", health.CorrectedForecasts);
        _json.WriteNumber("state_saturations", health.StateSaturations);
        _json.WriteStartObject("sensors");
        for (int i = 0; i < _manifest.Columns.Count; i++)
        {
            _json.WriteStartObject(_columns[i]);
            _json.WriteString("quality", Name(reading.Quality[i]));
            if (reading.Faults[i] is { } fault)
            {
                _json.WriteString("fault", fault);
            }

            _json.WriteNumber("bad_ticks", health.BadTicks[i]);
            _json.WriteNumber("saturated_ticks", health.SaturatedTicks[i]);
            _json.WriteEndObject();
        }

        _json.WriteEndObject();
        return End(Topics.Health(_device, _stream), MessageClass.Event, seq, retain: true);
    }

    public void Dispose() => _json.Dispose();

    private void Begin(long seq, DateTime time)
    {
        _buffer.ResetWrittenCount();
        _json.Reset();
        _json.WriteStartObject();
        _json.WriteString(JsonName.Device, _deviceText);
        _json.WriteString(JsonName.Stream, _streamText);
        _json.WriteNumber(JsonName.Seq, seq);
        Span<byte> text = stackalloc byte[Timestamp.Format.Length];
        time.TryFormat(text, out int length, Timestamp.Format, CultureInfo.InvariantCulture);
        _json.WriteString(JsonName.Time, text[..length]);
        _json.WriteString(JsonName.Model, _modelText);
    }

    private MqttMessage End(string topic, MessageClass messageClass, long seq, int qualityOfService = 1, bool retain = false)
    {
        _json.WriteEndObject();
        _json.Flush();
        return new MqttMessage
        {
            Topic = topic,
            Payload = _buffer.WrittenSpan.ToArray(),
            Class = messageClass,
            QualityOfService = qualityOfService,
            Retain = retain,
            ContentType = "application/json",
            ExpirySeconds = messageClass == MessageClass.Event ? null : _expirySeconds,
            Seq = seq,
            Model = _model,
        };
    }

    // side: 0 the forecast, -1 and 1 the ends of its interval.
    private void WriteSeries(JsonEncodedText name, int[] outputs, Forecast? forecast, int side)
    {
        _json.WriteStartArray(name);
        foreach (int output in outputs)
        {
            if (output < 0)
            {
                _json.WriteNullValue();
            }
            else
            {
                WriteRounded(side == 0 ? forecast!.Value(output) : side < 0 ? forecast!.Low(output) : forecast!.High(output));
            }
        }

        _json.WriteEndArray();
    }

    private void WriteOrNull(string name, double value)
    {
        if (double.IsNaN(value))
        {
            _json.WriteNull(name);
        }
        else
        {
            WriteRounded(name, value);
        }
    }

    private void WriteRounded(string name, double value)
    {
        _json.WritePropertyName(name);
        WriteRounded(value);
    }

    // Seven significant digits: what a float32 output carries.
    private void WriteRounded(double value) => WriteRounded(_json, value);

    internal static void WriteRounded(Utf8JsonWriter json, double value)
    {
        Span<byte> text = stackalloc byte[32];
        value.TryFormat(text, out int length, "G7", CultureInfo.InvariantCulture);
        json.WriteRawValue(text[..length], skipInputValidation: true);
    }

    private static string Name(Quality quality) => quality switch
    {
        Quality.Good => "good",
        Quality.Held => "held",
        Quality.Invalid => "invalid",
        Quality.OutOfRange => "out_of_range",
        Quality.Stuck => "stuck",
        _ => "missing",
    };
}
