using System.Buffers.Text;
using System.Globalization;
using System.Text.Json;
using Edge.Inference;
using Edge.Sensors;

namespace Edge.Runtime.Mqtt;

/// <summary>How numbers in text are written.</summary>
/// <param name="Suffix">A unit behind the number, such as °C, that is left out; null for none.</param>
/// <param name="HasDecimalComma">Whether a comma stands for the decimal point.</param>
internal sealed record NumberOptions(string? Suffix = null, bool HasDecimalComma = false);

/// <summary>Numbers and times in messages: a plain number, or JSON. What cannot be read is said, never thrown.</summary>
internal static class MqttPayload
{
    // A sensor's message is small; a larger one is a mistake or an attack.
    private const int SizeMaxBytes = 64 << 10;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 16 };
    private static readonly NumberOptions Plain = new();

    /// <summary>Whether the whole payload is one number.</summary>
    internal static bool TryPlainNumber(ReadOnlySpan<byte> payload, NumberOptions options, out double number)
    {
        number = double.NaN;
        if (payload.Length > SizeMaxBytes)
        {
            return false;
        }

        ReadOnlySpan<byte> trimmed = WithoutMark(payload).Trim(" \t\r\n"u8);
        if (Utf8Parser.TryParse(trimmed, out number, out int consumed) && consumed == trimmed.Length)
        {
            return true;
        }

        return options != Plain && trimmed.Length < 64 && TryNumber(System.Text.Encoding.UTF8.GetString(trimmed), options, out number);
    }

    /// <summary>Has the payload's JSON read.</summary>
    /// <returns>Why that cannot be, as the clause of a sentence, or what <paramref name="take"/> returns.</returns>
    internal static string? Read(ReadOnlyMemory<byte> payload, Func<JsonElement, string?> take)
    {
        if (payload.Length > SizeMaxBytes)
        {
            return $"a message of {payload.Length} bytes or more came; {SizeMaxBytes} is the limit";
        }

        payload = payload[(payload.Length - WithoutMark(payload.Span).Length)..];
        try
        {
            using JsonDocument document = JsonDocument.Parse(payload, Options);
            return take(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second: a string that is not valid Unicode, which is found when it is read.
            return payload.Length == 0
                ? "an empty message came"
                : $"a message came that is neither a number nor JSON{Place(payload.Span, e)}: '{PrintableText.Of(payload.Span)}'";
        }
    }

    /// <summary>A value as a number: itself, in quotes, or 1 and 0 for true and false; NaN if it is none.</summary>
    internal static double Number(JsonElement value, NumberOptions options) => value.ValueKind switch
    {
        JsonValueKind.Number => value.GetDouble(),
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        JsonValueKind.String when TryNumber(value.GetString()!, options, out double number) => number,
        _ => double.NaN,
    };

    /// <summary>Why there is no value, as a clause that names the JSON path, if one is configured.</summary>
    internal static string NoValue(JsonPath path) => "a message came without its value" + (path.Text is null ? "" : $" ({path.Text})");

    /// <summary>Why there is no time, as a clause that names the JSON path.</summary>
    internal static string NoTime(JsonPath path) => $"a message came without its time ({path.Text})";

    /// <summary>Why a value is not a number, as a clause that quotes it.</summary>
    internal static string NotANumber(JsonElement value) => $"a message came whose value is no finite number: '{Quote(value)}'";

    /// <summary>A time in a message.</summary>
    /// <param name="value">As it is written.</param>
    /// <param name="reader">Reads it.</param>
    /// <param name="expected">About when it should be, UTC.</param>
    /// <param name="utc">The time.</param>
    /// <returns>Why it cannot be read, as a clause, or null.</returns>
    internal static string? Time(JsonElement value, TimeReader reader, DateTime expected, out DateTime utc)
    {
        utc = default;
        return value.ValueKind switch
        {
            JsonValueKind.Number => reader.Read(value.GetDouble(), Quote(value), out utc),
            JsonValueKind.String => reader.Read(PrintableText.Of(value.GetString(), 64), expected, out utc),
            _ => $"'{Quote(value)}' is not a time",
        };
    }

    private static bool TryNumber(string text, NumberOptions options, out double number)
    {
        number = double.NaN;
        text = text.Trim();
        if (options.Suffix is { } suffix && text.EndsWith(suffix.Trim(), StringComparison.Ordinal))
        {
            text = text[..^suffix.Trim().Length].TrimEnd();
        }

        if (options.HasDecimalComma)
        {
            if (text.Contains('.'))
            {
                return false;
            }

            text = text.Replace(',', '.');
        }

        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out number);
    }

    // Where an object stops to be JSON; a sentence quotes only its begin.
    private static string Place(ReadOnlySpan<byte> payload, Exception e) =>
        payload.StartsWith("{"u8) && e is JsonException { LineNumber: { } line, BytePositionInLine: { } at }
            ? $" (line {line + 1}, byte {at + 1})" : "";

    private static string Quote(JsonElement value) => PrintableText.Of(value.GetRawText(), 60);

    // A byte order mark is no part of a text.
    private static ReadOnlySpan<byte> WithoutMark(ReadOnlySpan<byte> payload) =>
        payload.StartsWith("\uFEFF"u8) ? payload["\uFEFF"u8.Length..] : payload;
}
