using System.Text.RegularExpressions;
using Edge.Testing;

namespace Edge.Architecture.Tests;

/// <summary>Source files have lines that fit, and their comments and messages use the words of the field.</summary>
public sealed class SourceTextTests
{
    private const int ColumnsMax = 140;

    // Beyond the words that docs may not use: phrases of old comments and log lines.
    private static readonly string[] Phrases =
    [
        "somebody", "gave up", "(a )?bugs? of ours", "goes on", "go on", "on (its|their) way", "put up with", "tried on", "what it is told",
        "shadow", "takes? over if",
    ];

    // Folders with C# files; one that is not there has none.
    private static readonly string[] Folders = ["src", "tests", "samples"];

    [Fact]
    public void No_line_is_longer_than_140_columns() =>
        Assert.Empty(Lines(Folders).Where(line => line.Text.Length > ColumnsMax)
            .Select(line => $"{line.File}:{line.Number}: {line.Text.Length} columns"));

    [Fact]
    public void No_private_word_is_left_in_the_source()
    {
        string words = string.Join('|', PrivateWords.All.Select(entry => entry.Word).Concat(Phrases));
        var pattern = new Regex($@"\b({words})\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);
        Assert.Empty(Lines(["src"]).SelectMany(line => pattern.Matches(line.Text)
            .Select(match => $"{line.File}:{line.Number}: '{match.Value}'")));
    }

    private static IEnumerable<(string File, int Number, string Text)> Lines(string[] folders) =>
        folders.Select(RepositoryFile.Path)
            .Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories))
            .Where(file => !file.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"))
            .SelectMany(file => File.ReadLines(file).Select((text, i) => (file, i + 1, text)));
}
