using System.Security.Cryptography;
using System.Text.Json;
using Edge.Inference;

namespace Edge.Runtime.Control;

/// <summary>One part of a model sent over MQTT: <c>{"stream","sha256","part","parts","data","signature"}</c>.</summary>
/// <param name="Stream">Name of the stream.</param>
/// <param name="Sha256">SHA-256 of the whole file, lower-case hex.</param>
/// <param name="Part">Its number, from 1.</param>
/// <param name="Parts">Number of parts.</param>
/// <param name="Data">Its bytes.</param>
/// <param name="Signature">The content of MODEL.sig, or null.</param>
internal sealed record ModelPart(string Stream, string Sha256, int Part, int Parts, byte[] Data, string? Signature)
{
    /// <summary>Largest message, in bytes.</summary>
    internal const int PayloadMaxBytes = 400_000;

    /// <summary>Largest number of parts of one model.</summary>
    internal const int PartsMax = 256;

    private const int SignatureMax = 1024;

    // Most characters of a wrong value in a sentence.
    private const int ShownMax = 60;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 2 };
    private static readonly string[] Keys = ["stream", "sha256", "part", "parts", "data", "signature"];

    /// <exception cref="InputException">It is not a valid part; the sentence is sent back as the answer.</exception>
    internal static ModelPart Parse(ReadOnlyMemory<byte> payload, IReadOnlyCollection<string> streams)
    {
        if (payload.Length > PayloadMaxBytes)
        {
            throw new InputException($"The part has {payload.Length} bytes; {PayloadMaxBytes} is the limit.");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(payload, Options);
            return Read(document.RootElement, streams);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second: a string that is not valid Unicode, which is found when it is read.
            throw new InputException("The part is not JSON.", e);
        }
    }

    private static ModelPart Read(JsonElement root, IReadOnlyCollection<string> streams)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new InputException("The part is not a JSON object.");
        }

        string[] given = [.. root.EnumerateObject().Select(property => property.Name)];
        string[] wrong =
        [
            .. Keys[..^1].Except(given).Select(key => $"'{key}' is missing"),
            .. given.Except(Keys).Select(key => $"{PrintableText.Quoted(key)} is not one of them"),
            .. given.GroupBy(key => key).Where(same => same.Count() > 1).Select(same => $"{PrintableText.Quoted(same.Key)} is there twice"),
        ];
        if (wrong.Length > 0)
        {
            throw new InputException(
                $"A part must have the keys stream, sha256, part, parts and data, each once, and may have signature: {wrong[0]}.");
        }

        string stream = Text(root, "stream", "the name of a stream");
        if (!streams.Contains(stream))
        {
            throw new InputException($"There is no such stream. Streams: {string.Join(", ", streams)}.");
        }

        const string Sha256Meaning = "the SHA-256 of the whole file, 64 lower-case hexadecimal digits";
        string sha256 = Text(root, "sha256", Sha256Meaning);
        if (sha256.Length != 64 || !sha256.All(digit => char.IsAsciiDigit(digit) || digit is >= 'a' and <= 'f'))
        {
            throw Wrong(root, "sha256", Sha256Meaning);
        }

        int parts = Whole(root, "parts", PartsMax, $"{PartsMax}");
        int part = Whole(root, "part", parts, $"'parts', which is {parts}");
        if (root.GetProperty("data").ValueKind != JsonValueKind.String || !root.GetProperty("data").TryGetBytesFromBase64(out byte[]? data))
        {
            throw Wrong(root, "data", "the bytes of the part in base64");
        }

        const string SignatureMeaning = "the content of MODEL.sig";
        string? signature = root.TryGetProperty("signature", out JsonElement signed) && signed.ValueKind != JsonValueKind.Null
            ? Text(root, "signature", SignatureMeaning)
            : null;
        return signature is { Length: > SignatureMax }
            ? throw Wrong(root, "signature", SignatureMeaning)
            : new ModelPart(stream, sha256, part, parts, data, signature);
    }

    private static string Text(JsonElement root, string key, string meaning) =>
        root.GetProperty(key) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : throw Wrong(root, key, meaning);

    private static int Whole(JsonElement root, string key, int max, string maxText) =>
        root.GetProperty(key) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt32(out int number)
            && number >= 1 && number <= max
            ? number
            : throw Wrong(root, key, $"a whole number from 1 to {maxText}");

    private static InputException Wrong(JsonElement root, string key, string meaning) =>
        new($"'{key}' must be {meaning}, not {PrintableText.Of(root.GetProperty(key).GetRawText(), ShownMax)}.");
}

/// <summary>Assembles the parts of a model: one model at a time, with a limit on size and time.</summary>
internal sealed class ModelAssembly(TimeProvider clock)
{
    /// <summary>Largest model, in bytes.</summary>
    internal const int ModelMaxBytes = 16 << 20;

    private static readonly TimeSpan TimeMax = TimeSpan.FromMinutes(10);

    private readonly Dictionary<int, byte[]> _parts = [];
    private (string Stream, string Sha256, int Parts) _model;
    private string? _signature;
    private long _startedAt;

    /// <summary>Adds a part. A part of another model discards the parts of the previous one.</summary>
    /// <returns>The whole model if this was the last missing part, else null.</returns>
    /// <exception cref="InputException">The model is too large, or its SHA-256 is wrong.</exception>
    internal (byte[] Model, string? Signature)? Add(ModelPart part)
    {
        if (_model != (part.Stream, part.Sha256, part.Parts) || clock.GetElapsedTime(_startedAt) > TimeMax)
        {
            Clear();
            _model = (part.Stream, part.Sha256, part.Parts);
            _startedAt = clock.GetTimestamp();
        }

        _signature = part.Signature ?? _signature;
        _parts[part.Part] = part.Data;
        if (_parts.Values.Sum(data => (long)data.Length) > ModelMaxBytes)
        {
            Clear();
            throw new InputException($"The model has more than {ModelMaxBytes} bytes, which is the limit.");
        }

        if (_parts.Count < part.Parts)
        {
            return null;
        }

        byte[] model = [.. _parts.OrderBy(each => each.Key).SelectMany(each => each.Value)];
        string? signature = _signature;
        Clear();
        return Convert.ToHexStringLower(SHA256.HashData(model)) == part.Sha256
            ? (model, signature)
            : throw new InputException("The SHA-256 of the assembled model is wrong. Send all parts again.");
    }

    private void Clear()
    {
        _parts.Clear();
        _signature = null;
        _model = default;
    }
}
