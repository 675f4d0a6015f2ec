using System.Buffers.Text;
using System.Globalization;
using System.Text.Json;
using Edge.Sensors;

namespace Edge.Runtime.Mqtt;

/// <summary>Numbers and times in messages: a plain number, or JSON. What cannot be read is said, never thrown.</summary>
internal static class MqttPayload
{
    // A sensor's message is small; a larger one is a mistake or an attack.
    private const int SizeMaxBytes = 64 << 10;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 16 };

    /// <summary>Whether the whole payload is one number.</summary>
    internal static bool TryPlainNumber(ReadOnlySpan<byte> payload, out double number)
    {
        ReadOnlySpan<byte> trimmed = payload.Trim(" \t\r\n"u8);
        return Utf8Parser.TryParse(trimmed, out number, out int consumed) && consumed == trimmed.Length && payload.Length <= SizeMaxBytes;
    }

    /// <summary>Has the payload's JSON read.</summary>
    /// <returns>Why that cannot be, as the clause of a sentence, or what <paramref name="take"/> returns.</returns>
    internal static string? Read(ReadOnlyMemory<byte> payload, Func<JsonElement, string?> take)
    {
        if (payload.Length > SizeMaxBytes)
        {
            return $"a message of {payload.Length} bytes came; {SizeMaxBytes} is the limit";
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(payload, Options);
            return take(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second: a string that is not valid Unicode, which is found when it is read.
            return "a message came that is neither a number nor JSON";
        }
    }

    /// <summary>A value as a number: itself, in quotes, or 1 and 0 for true and false; NaN if it is none.</summary>
    internal static double Number(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.GetDouble(),
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        JsonValueKind.String when double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double number) =>
            number,
        _ => double.NaN,
    };

    internal static bool TryTime(JsonElement value, out DateTime time)
    {
        time = default;
        return value.ValueKind switch
        {
            JsonValueKind.Number => Timestamp.TryFromUnix(value.GetDouble(), out time),
            JsonValueKind.String => Timestamp.TryParse(value.GetString(), out time),
            _ => false,
        };
    }
}
