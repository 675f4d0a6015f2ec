using System.Text.RegularExpressions;

namespace Edge.Testing;

/// <summary>A fenced code block.</summary>
/// <param name="Info">What follows the opening fence, such as <c>yaml stream</c>.</param>
/// <param name="Text">The block without its fences and without the indentation of the list item it stands in.</param>
/// <param name="Place">File and line of the opening fence.</param>
internal sealed record MarkdownBlock(string Info, string Text, string Place);

/// <summary>One of the project's documents, split into prose and code blocks.</summary>
internal sealed partial class MarkdownFile
{
    private MarkdownFile(string name)
    {
        Name = name;
        var prose = new List<(int Number, string Line)>();
        var blocks = new List<MarkdownBlock>();
        Fence? open = null;
        string[] lines = File.ReadAllLines(RepositoryFile.Path(name));
        for (int i = 0; i < lines.Length; i++)
        {
            Match fence = FencePattern().Match(lines[i]);
            if (open is { } inside)
            {
                if (fence.Success)
                {
                    blocks.Add(new MarkdownBlock(inside.Info, string.Join('\n', inside.Lines) + "\n", $"{name}:{inside.Number}"));
                    open = null;
                }
                else
                {
                    inside.Lines.Add(lines[i].Length >= inside.Indent ? lines[i][inside.Indent..] : "");
                }
            }
            else if (fence.Success)
            {
                open = new Fence(fence.Groups[2].Value.Trim(), fence.Groups[1].Length, i + 1, []);
            }
            else
            {
                prose.Add((i + 1, lines[i]));
            }
        }

        Assert.True(open is null, $"{name} ends inside a code block.");
        Prose = prose;
        Blocks = blocks;
    }

    /// <summary>The documents that a user or a contributor reads.</summary>
    internal static IReadOnlyList<MarkdownFile> All { get; } =
    [
        new("README.md"),
        new("CONTRIBUTING.md"),
        new("SECURITY.md"),
        .. new[] { "deploy", "docs", "examples" }
            .SelectMany(folder => Directory.EnumerateFiles(RepositoryFile.Path(folder), "*.md", SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(RepositoryFile.Path("."), path))
            .Order(StringComparer.Ordinal)
            .Select(name => new MarkdownFile(name)),
    ];

    /// <summary>Fails with every problem, a line each.</summary>
    internal static void Holds(IEnumerable<string> problems)
    {
        string[] all = [.. problems];
        Assert.True(all.Length == 0, string.Join('\n', all));
    }

    /// <summary>Path inside the repository.</summary>
    internal string Name { get; }

    /// <summary>The lines outside code blocks, with their numbers.</summary>
    internal IReadOnlyList<(int Number, string Line)> Prose { get; }

    internal IReadOnlyList<MarkdownBlock> Blocks { get; }

    /// <summary>Shell commands in code blocks and in code spans: one a line, continuations joined, comments cut off.</summary>
    internal IEnumerable<(string Place, string Command)> Commands()
    {
        foreach (MarkdownBlock block in Blocks.Where(block => block.Info == "sh"))
        {
            foreach (string line in block.Text.Replace("\\\n", " ", StringComparison.Ordinal).Split('\n'))
            {
                string command = CommentPattern().Replace(line, "").Trim();
                if (command.Length > 0)
                {
                    yield return (block.Place, command);
                }
            }
        }

        foreach ((int number, string line) in Prose)
        {
            foreach (Match span in SpanPattern().Matches(line))
            {
                yield return ($"{Name}:{number}", span.Groups[1].Value);
            }
        }
    }

    /// <summary>Anchors of the headings, as GitHub makes them.</summary>
    internal IEnumerable<string> Anchors() => Prose
        .Where(line => line.Line.StartsWith('#'))
        .Select(line => AnchorPattern().Replace(line.Line.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-'));

    [GeneratedRegex(@"^(\s*)```(.*)$")]
    private static partial Regex FencePattern();

    [GeneratedRegex(@"(^|\s)#\s.*$")]
    private static partial Regex CommentPattern();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex SpanPattern();

    [GeneratedRegex(@"[^\p{L}\p{N} _-]")]
    private static partial Regex AnchorPattern();

    private sealed record Fence(string Info, int Indent, int Number, List<string> Lines);
}
