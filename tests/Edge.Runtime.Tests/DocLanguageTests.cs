using System.Text.RegularExpressions;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary>README.md, CONTRIBUTING.md and docs/ use plain words, one spelling and lines that fit.</summary>
public sealed partial class DocLanguageTests
{
    private const int ColumnsMax = 120;

    [Fact]
    public void No_private_word_is_left() =>
        MarkdownFile.Holds(PrivateWords.All.SelectMany(entry => Find(entry.Word).Select(place => $"{place}: write {entry.Instead}")));

    [Fact]
    public void Spelling_is_American() => MarkdownFile.Holds(Find(BritishPattern()));

    [Fact]
    public void Lines_outside_tables_code_and_links_fit() =>
        MarkdownFile.Holds(MarkdownFile.All.SelectMany(file => file.Prose
            .Where(line => line.Line.Length > ColumnsMax && IsProse(line.Line))
            .Select(line => $"{file.Name}:{line.Number}: {line.Line.Length} columns")));

    // Neither a table, nor indented code, nor a link that cannot be broken.
    private static bool IsProse(string line) =>
        !line.StartsWith('|') && !line.StartsWith("    ", StringComparison.Ordinal) && !line.Contains("](", StringComparison.Ordinal);

    private static IEnumerable<string> Find(string word) =>
        Find(new Regex($@"\b{word}\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant));

    // Code spans are interfaces: they may say what they always said.
    private static IEnumerable<string> Find(Regex pattern) => MarkdownFile.All.SelectMany(file => file.Prose
        .SelectMany(line => pattern.Matches(SpanPattern().Replace(line.Line, ""))
            .Select(match => $"{file.Name}:{line.Number}: '{match.Value}'")));

    [GeneratedRegex("`[^`]*`")]
    private static partial Regex SpanPattern();

    [GeneratedRegex(
        @"\w*(quanti|normali|authori|synchroni|initiali|seriali|recogni|organi|minimi|maximi|optimi|summari|generali)"
            + @"s(e|ed|es|ing|er|ers|ation|ations)\b"
            + @"|\b\w*(behaviour|colour|favour|neighbour|centre|metre|licence|catalogue|analyse|labell|modell|cancell|artefact)\w*"
            + @"|\b(acknowledgement|grey|whilst)s?\b",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex BritishPattern();
}
