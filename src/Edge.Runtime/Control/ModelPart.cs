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
            JsonElement root = document.RootElement;
            string[] given = root.ValueKind == JsonValueKind.Object ? [.. root.EnumerateObject().Select(property => property.Name)] : [];
            if (given.Length == 0 || given.Except(Keys).Any() || given.Distinct().Count() != given.Length || Keys[..^1].Except(given).Any())
            {
                throw new InputException(
                    "A part must have the keys stream, sha256, part, parts and data, each once. It may have signature.");
            }

            string stream = root.GetProperty("stream").GetString() ?? "";
            string sha256 = root.GetProperty("sha256").GetString() ?? "";
            string? signature = root.TryGetProperty("signature", out JsonElement text) ? text.GetString() : null;
            if (!streams.Contains(stream))
            {
                throw new InputException($"There is no such stream. Streams: {string.Join(", ", streams)}.");
            }

            if (sha256.Length != 64
                || !sha256.All(digit => char.IsAsciiDigit(digit) || digit is >= 'a' and <= 'f')
                || signature is { Length: > 1024 }
                || !root.GetProperty("part").TryGetInt32(out int part)
                || !root.GetProperty("parts").TryGetInt32(out int parts)
                || parts is < 1 or > PartsMax
                || part < 1
                || part > parts)
            {
                throw new InputException(
                    $"sha256 must be 64 lower-case hexadecimal digits, parts 1 to {PartsMax}, part 1 to parts, and signature the content "
                        + $"of MODEL.sig.");
            }

            return new ModelPart(stream, sha256, part, parts, root.GetProperty("data").GetBytesFromBase64(), signature);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new InputException("The part must be JSON with data in base64.", e);
        }
    }
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
