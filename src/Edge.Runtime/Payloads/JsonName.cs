using System.Text.Json;

namespace Edge.Runtime.Payloads;

/// <summary>JSON names of readings and forecasts, encoded once.</summary>
internal static class JsonName
{
    internal static JsonEncodedText Device { get; } = JsonEncodedText.Encode("device");

    internal static JsonEncodedText Stream { get; } = JsonEncodedText.Encode("stream");

    internal static JsonEncodedText Seq { get; } = JsonEncodedText.Encode("seq");

    internal static JsonEncodedText Time { get; } = JsonEncodedText.Encode("time");

    internal static JsonEncodedText Model { get; } = JsonEncodedText.Encode("model");

    internal static JsonEncodedText Channels { get; } = JsonEncodedText.Encode("channels");

    internal static JsonEncodedText Unit { get; } = JsonEncodedText.Encode("unit");

    internal static JsonEncodedText Value { get; } = JsonEncodedText.Encode("value");

    internal static JsonEncodedText Low { get; } = JsonEncodedText.Encode("low");

    internal static JsonEncodedText High { get; } = JsonEncodedText.Encode("high");

    internal static JsonEncodedText Horizon { get; } = JsonEncodedText.Encode("horizon_seconds");

    internal static JsonEncodedText Interval { get; } = JsonEncodedText.Encode("interval");
}
