namespace Edge.Runtime.Configuration;

/// <summary>Suggests the known word nearest to an unknown one.</summary>
internal static class Spelling
{
    internal static string Hint(string word, IReadOnlyCollection<string> known)
    {
        string? nearest = known.OrderBy(each => Distance(word, each)).ThenBy(each => each, StringComparer.Ordinal).FirstOrDefault();
        return nearest is not null && Distance(word, nearest) <= Math.Max(2, word.Length / 2)
            ? $"did you mean '{nearest}'?"
            : $"known keys: {string.Join(", ", known.Order(StringComparer.Ordinal))}";
    }

    // Levenshtein distance.
    private static int Distance(string a, string b)
    {
        int[] row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substitute, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[b.Length];
    }
}
