using System.Text.RegularExpressions;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary>README.md, CONTRIBUTING.md and docs/ use plain words, one spelling and lines that fit.</summary>
public sealed partial class DocLanguageTests
{
    private const int ColumnsMax = 120;

    // Words that only this project used, each with the word of the field.
    private static readonly (string Word, string Instead)[] PrivateWords =
    [
        ("puts? up with", "accepts, allows"),
        ("anew", "again, or reset"),
        ("given up", "evicted (size), expired (age) or closed"),
        ("gives? up", "evict, expire, close, stop"),
        ("nobody", "no client, no one"),
        ("whoever", "who, or the role"),
        ("the card", "the disk"),
        ("forced (to|write)", "fsync, flushed to disk"),
        ("who waits?", "the waiting producer"),
        ("waited for", "waits for"),
        ("said once", "logged once"),
        ("on trial", "canary"),
        ("goodbye", "publishes offline"),
        ("is taken is one sentence", "is in use"),
        ("what is on its way", "in-flight messages"),
        ("are on their way", "in flight"),
        ("(is|are) there to say", "decides"),
        ("news", "new, unknown"),
        ("the very (same|bytes|rows)", "exactly the"),
    ];

    [Fact]
    public void No_private_word_is_left() =>
        MarkdownFile.Holds(PrivateWords.SelectMany(entry => Find(entry.Word).Select(place => $"{place}: write {entry.Instead}")));

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
