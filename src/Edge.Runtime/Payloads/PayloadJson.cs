using System.Text.Encodings.Web;
using System.Text.Json;

namespace Edge.Runtime.Payloads;

/// <summary>
/// How the JSON of messages is written: only what JSON must escape is escaped, so that quotes, ° and ö can be read in a terminal.
/// Nothing here ends up in HTML without the page's own escaping.
/// </summary>
internal static class PayloadJson
{
    internal static JsonWriterOptions Options { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A name or a text that is written often.</summary>
    internal static JsonEncodedText Encode(string text) => JsonEncodedText.Encode(text, Options.Encoder);
}
