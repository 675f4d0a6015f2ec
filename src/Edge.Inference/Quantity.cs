namespace Edge.Inference;

/// <summary>Counts in sentences: 1 row, 2 rows.</summary>
internal static class Quantity
{
    /// <param name="count">How many.</param>
    /// <param name="noun">Of what, in the singular.</param>
    /// <param name="plural">The plural; null where it ends with an s.</param>
    internal static string Of(long count, string noun, string? plural = null) =>
        count == 1 ? $"1 {noun}" : $"{count} {plural ?? $"{noun}s"}";
}
