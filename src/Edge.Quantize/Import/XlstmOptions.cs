using System.Text.Json;
using Edge.Inference;

namespace Edge.Quantize.Import;

/// <summary>
/// The <c>xlstm</c> object of a manifest: the configuration with which an xLSTM block stack was made. What the tensors show too is
/// compared with them; only the feed-forward's activation is nowhere else.
/// </summary>
/// <param name="FeedForwardActivation"><c>act_fn</c>, or null.</param>
/// <param name="Heads"><c>num_heads</c>, or null.</param>
/// <param name="Blocks"><c>num_blocks</c>, or null.</param>
/// <param name="Width"><c>embedding_dim</c>, or null.</param>
/// <param name="ConvolutionTaps"><c>conv1d_kernel_size</c>, or null.</param>
/// <param name="HasFinalNorm"><c>add_post_blocks_norm</c>, or null.</param>
/// <param name="SlstmAt"><c>slstm_at</c>, or null.</param>
internal sealed record XlstmOptions(
    string? FeedForwardActivation, int? Heads, int? Blocks, int? Width, int? ConvolutionTaps, bool? HasFinalNorm, int[]? SlstmAt)
{
    /// <summary>Reads a manifest; an absent one, or one without the object, leaves everything open.</summary>
    /// <exception cref="InputException">The text is no JSON object, or an entry is not what it must be.</exception>
    internal static XlstmOptions Parse(byte[]? manifest)
    {
        var none = new XlstmOptions(null, null, null, null, null, null, null);
        if (manifest is null)
        {
            return none;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(manifest);
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("xlstm", out JsonElement x))
            {
                return none;
            }

            return x.ValueKind == JsonValueKind.Object
                ? new XlstmOptions(
                    Entry(x, "act_fn", JsonValueKind.String)?.GetString(),
                    Number(x, "num_heads"),
                    Number(x, "num_blocks"),
                    Number(x, "embedding_dim"),
                    Number(x, "conv1d_kernel_size"),
                    Entry(x, "add_post_blocks_norm", JsonValueKind.True, JsonValueKind.False)?.GetBoolean(),
                    Entry(x, "slstm_at", JsonValueKind.Array, JsonValueKind.String) is { ValueKind: JsonValueKind.Array } list
                        ? [.. list.EnumerateArray().Select((element, at) => Whole(element, $"slstm_at[{at}]"))]
                        : null)
                : throw new InputException("The manifest's 'xlstm' is not an object. Write the block stack's configuration there.");
        }
        catch (JsonException e)
        {
            throw new InputException($"The manifest is not JSON: {e.Message}", e);
        }
    }

    private static JsonElement? Entry(JsonElement x, string key, params ReadOnlySpan<JsonValueKind> kinds)
    {
        if (!x.TryGetProperty(key, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        return kinds.Contains(value.ValueKind)
            ? value
            : throw new InputException($"The manifest's 'xlstm.{key}' is {value.GetRawText()}, which it cannot be. Correct it.");
    }

    private static int? Number(JsonElement x, string key) =>
        Entry(x, key, JsonValueKind.Number) is { } value ? Whole(value, key) : null;

    private static int Whole(JsonElement value, string key) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number)
            ? number
            : throw new InputException($"The manifest's 'xlstm.{key}' is {value.GetRawText()}, not a whole number. Correct it.");
}
