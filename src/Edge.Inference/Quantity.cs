namespace Edge.Inference;

/// <summary>Counts in sentences: 1 row, 2 rows.</summary>
internal static class Quantity
{
    /// <param name="count">How many.</param>
    /// <param name="noun">Of what, in the singular; its plural ends with an s.</param>
    internal static string Of(long count, string noun) => count == 1 ? $"1 {noun}" : $"{count} {noun}s";
}
