using System.Globalization;
using System.Text;
using System.Text.Json;
using Edge.Inference;
using Edge.Runtime.Payloads;

namespace Edge.Runtime.Web;

/// <summary>
/// What devices have published under <c>edge/</c>: their state, their streams and open anomalies. What a device sends is not trusted:
/// names, sizes and counts have limits, and what is no such message is left out.
/// </summary>
internal sealed class Wall
{
    /// <summary>Most devices.</summary>
    internal const int DevicesMax = 500;

    /// <summary>Most streams of all devices together.</summary>
    internal const int StreamsMax = 2000;

    private const int PayloadMaxBytes = 256 << 10;
    private const int NameMax = 64;
    private const int SparkPoints = 60;
    private const int SentenceMax = 500;
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 8 };

    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, Device> _devices = new(StringComparer.Ordinal);
    private int _streams;

    /// <summary>The filters whose messages <see cref="Take"/> reads.</summary>
    internal static IReadOnlyList<string> Filters { get; } =
    [
        Topics.Status("+"),
        Topics.Info("+"),
        Topics.StreamStatus("+", "+"),
        Topics.Reading("+", "+"),
        Topics.Health("+", "+"),
        Topics.Anomaly("+", "+"),
        Topics.AnomalyState("+", "+"),
    ];

    /// <summary>Messages that were left out: of no known form, or beyond a limit.</summary>
    internal long Refused { get; private set; }

    /// <summary>Takes a message, from any thread.</summary>
    internal void Take(string topic, ReadOnlyMemory<byte> payload)
    {
        lock (_gate)
        {
            try
            {
                if (payload.Length > PayloadMaxBytes || !TryTake(topic.Split('/'), payload))
                {
                    Refused++;
                }
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
            {
                // No JSON of ours: a value is missing, or of another type.
                Refused++;
            }
        }
    }

    internal void Write(Utf8JsonWriter json)
    {
        lock (_gate)
        {
            json.WriteStartArray("devices");
            foreach ((string name, Device device) in _devices)
            {
                json.WriteStartObject();
                json.WriteString("name", name);
                json.WriteBoolean("online", device.IsOnline);
                json.WriteString("version", device.Version);
                json.WriteStartArray("streams");
                foreach ((string stream, Stream of) in device.Streams)
                {
                    of.Write(json, stream);
                }

                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }
    }

    private bool TryTake(string[] parts, ReadOnlyMemory<byte> payload)
    {
        if (parts.Length < 3 || parts[0] != "edge" || !IsName(parts[1]))
        {
            return false;
        }

        if (parts.Length == 3)
        {
            return TryTakeDevice(parts[1], parts[2], payload);
        }

        string kind = string.Join('/', parts[3..]);
        if (!IsName(parts[2]) || parts[2] == "command" || FindStream(parts[1], parts[2]) is not { } stream)
        {
            return false;
        }

        switch (kind)
        {
            case "status":
                stream.IsOnline = payload.Span.SequenceEqual("online"u8);
                return true;
            case "anomaly/state":
                stream.IsOpen = payload.Span.SequenceEqual("ON"u8);
                return true;
        }

        using JsonDocument document = JsonDocument.Parse(payload, Options);
        JsonElement root = document.RootElement;
        stream.TimeMs = TimeOf(root);
        switch (kind)
        {
            case "reading":
                stream.TakeReading(root);
                return true;
            case "health":
                stream.Score = NumberOf(root, "score");
                return true;
            case "anomaly":
                stream.Score = NumberOf(root, "score");
                stream.Message = PrintableText.Of(root.GetProperty("message").GetString(), SentenceMax);
                return true;
            default:
                return false;
        }
    }

    private bool TryTakeDevice(string name, string kind, ReadOnlyMemory<byte> payload)
    {
        if (kind == "status" && payload.IsEmpty)
        {
            // The retained message was removed: so is the device.
            if (_devices.Remove(name, out Device? gone))
            {
                _streams -= gone.Streams.Count;
            }

            return true;
        }

        if (FindDevice(name) is not { } device)
        {
            return false;
        }

        if (kind == "status")
        {
            device.IsOnline = payload.Span.SequenceEqual("online"u8);
            return true;
        }

        if (kind == "info" && !payload.IsEmpty)
        {
            using JsonDocument document = JsonDocument.Parse(payload, Options);
            device.Version = PrintableText.Of(document.RootElement.GetProperty("version").GetString(), NameMax);
        }

        return true;
    }

    private Device? FindDevice(string name)
    {
        if (!_devices.TryGetValue(name, out Device? device) && _devices.Count < DevicesMax)
        {
            device = new Device();
            _devices[name] = device;
        }

        return device;
    }

    private Stream? FindStream(string device, string name)
    {
        if (FindDevice(device) is not { } of)
        {
            return null;
        }

        if (!of.Streams.TryGetValue(name, out Stream? stream) && _streams < StreamsMax)
        {
            stream = new Stream();
            of.Streams[name] = stream;
            _streams++;
        }

        return stream;
    }

    private static bool IsName(string name) =>
        name.Length is > 0 and <= NameMax
            && name.All(each => char.IsAsciiLetterLower(each) || char.IsAsciiDigit(each) || each is '_' or '-');

    private static double NumberOf(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : double.NaN;

    private static long TimeOf(JsonElement root) => DateTimeOffset.Parse(
        root.GetProperty("time").GetString() ?? "", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal).ToUnixTimeMilliseconds();

    private sealed class Device
    {
        internal bool IsOnline { get; set; }

        internal string Version { get; set; } = "";

        internal SortedDictionary<string, Stream> Streams { get; } = new(StringComparer.Ordinal);
    }

    private sealed class Stream
    {
        private readonly Queue<float> _spark = new();
        private string _column = "";
        private string _unit = "";
        private double _value = double.NaN;
        private long _sparkMs;

        internal bool IsOnline { get; set; }

        internal bool IsOpen { get; set; }

        internal double Score { get; set; } = double.NaN;

        internal string Message { get; set; } = "";

        internal long TimeMs { get; set; }

        // The first channel, and a point a second of it.
        internal void TakeReading(JsonElement root)
        {
            foreach (JsonProperty channel in root.GetProperty("channels").EnumerateObject())
            {
                _column = PrintableText.Of(channel.Name, NameMax);
                _unit = PrintableText.Of(channel.Value.GetProperty("unit").GetString(), NameMax);
                _value = NumberOf(channel.Value, "value");
                break;
            }

            if (Math.Abs(TimeMs - _sparkMs) >= 1000)
            {
                _sparkMs = TimeMs;
                _spark.Enqueue((float)_value);
                if (_spark.Count > SparkPoints)
                {
                    _spark.Dequeue();
                }
            }
        }

        internal void Write(Utf8JsonWriter json, string name)
        {
            json.WriteStartObject();
            json.WriteString("name", name);
            json.WriteBoolean("online", IsOnline);
            json.WriteBoolean("open", IsOpen);
            StreamJson.Write(json, "score", Score);
            json.WriteString("message", Message);
            json.WriteString("column", _column);
            json.WriteString("unit", _unit);
            StreamJson.Write(json, "value", _value);
            json.WriteNumber("t", TimeMs);
            json.WriteStartArray("spark");
            foreach (float value in _spark)
            {
                Series.WriteValue(json, value);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }
    }
}
