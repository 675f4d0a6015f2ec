using System.Text.RegularExpressions;
using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Testing;

namespace Edge.Runtime.Tests;

/// <summary>What README.md and docs/ tell a reader to type works: configurations, commands, links.</summary>
[Collection("environment")]
public sealed partial class DocSnippetTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public DocSnippetTests()
    {
        // What systemd gives the service.
        Environment.SetEnvironmentVariable("CREDENTIALS_DIRECTORY", _folder.Path);
        _folder.Write("mqtt-password", "s3cret\n");
        _folder.Write("page-password", "tomatoes and light\n");
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("CREDENTIALS_DIRECTORY", null);
        _folder.Dispose();
    }

    [Fact]
    public void Every_configuration_is_one_that_the_parser_takes()
    {
        MarkdownBlock[] blocks = [.. Blocks().Where(
            block => block.Info.StartsWith("yaml", StringComparison.Ordinal) && block.Info != "yaml cluster")];
        Assert.NotEmpty(blocks);
        Assert.All(blocks, block => Parse(Whole(block), block.Place));
    }

    [Theory]
    [InlineData("raspberry-pi.yaml")]
    [InlineData("jetson.yaml")]
    public void A_sample_whose_proposals_are_taken_up_is_valid(string sample)
    {
        string text = File.ReadAllText(RepositoryFile.Path($"deploy/config/{sample}"));
        string taken = ProposalPattern().Replace(text, "$1$2");
        Assert.NotEqual(text, taken);
        Parse(taken, sample);
    }

    [Fact]
    public void Every_command_and_option_of_edge_runtime_exists() =>
        MarkdownFile.Holds(new DocumentedCommands("edge-runtime", "src/Edge.Runtime", Help).Problems());

    [Fact]
    public void Every_test_that_is_named_with_a_command_exists()
    {
        string[] sources = [.. Directory.EnumerateFiles(RepositoryFile.Path("tests"), "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal))
            .Select(File.ReadAllText)];
        (string Place, string Command)[] commands = [.. MarkdownFile.All
            .SelectMany(file => file.Commands())
            .Where(item => item.Command.Contains("dotnet test ", StringComparison.Ordinal))];
        Assert.NotEmpty(commands);
        foreach ((string place, string command) in commands)
        {
            string target = TargetPattern().Match(command).Groups[1].Value;
            Assert.True(Path.Exists(RepositoryFile.Path(target)), $"{place}: there is no {target}");
            foreach (string name in Filters(command))
            {
                Assert.True(
                    Array.Exists(sources, source => source.Contains(name, StringComparison.Ordinal)),
                    $"{place}: no test is named '{name}'");
            }
        }
    }

    [Fact]
    public void Every_relative_link_leads_somewhere()
    {
        var problems = new List<string>();
        foreach (MarkdownFile file in MarkdownFile.All)
        {
            foreach ((int number, string line) in file.Prose)
            {
                problems.AddRange(LinkPattern().Matches(line)
                    .Select(link => link.Groups[1].Value)
                    .Where(target => !Leads(file, target))
                    .Select(target => $"{file.Name}:{number}: {target}"));
            }
        }

        MarkdownFile.Holds(problems);
    }

    private static IEnumerable<MarkdownBlock> Blocks() => MarkdownFile.All.SelectMany(file => file.Blocks);

    private static string[] Filters(string command) =>
        FilterPattern().Match(command).Groups[1].Value.Split((char[])['|', '\\'], StringSplitOptions.RemoveEmptyEntries);

    private static bool Leads(MarkdownFile file, string target)
    {
        if (target.Contains("://", StringComparison.Ordinal))
        {
            return true;
        }

        string[] parts = target.Split('#', 2);
        string path = parts[0].Length == 0 ? file.Name : Path.Combine(Path.GetDirectoryName(file.Name)!, parts[0]);
        string name = Path.GetRelativePath(RepositoryFile.Path("."), RepositoryFile.Path(path));
        return Path.Exists(RepositoryFile.Path(name))
            && (parts.Length == 1 || MarkdownFile.All.Any(other => other.Name == name && other.Anchors().Contains(parts[1])));
    }

    // A fragment of a stream, or of the file, becomes the smallest whole file around it.
    private static string Whole(MarkdownBlock block)
    {
        switch (block.Info)
        {
            case "yaml" when block.Text.StartsWith("device:", StringComparison.Ordinal):
                return block.Text;
            case "yaml top":
                return $"device: d\nstreams:\n  - {{ name: s, model: demo, source: {{ simulated: {{ }} }} }}\n{block.Text}";
            case "yaml stream":
                string source = SourcePattern().IsMatch(block.Text) ? "" : "    source: { simulated: { } }\n";
                string indented = string.Concat(block.Text.TrimEnd('\n').Split('\n').Select(line => $"    {line}\n"));
                return $"device: d\nstreams:\n  - name: s\n    model: demo\n{source}{indented}";
            default:
                throw new InvalidDataException(
                    $"{block.Place}: a block of '{block.Info}' must begin with 'device:', or be marked 'yaml top' or 'yaml stream'.");
        }
    }

    private static void Parse(string text, string place)
    {
        try
        {
            Assert.NotEmpty(ConfigFile.Parse(text, "edge.yaml").Streams);
        }
        catch (InputException e)
        {
            Assert.Fail($"{place}: {e.Message}");
        }
    }

    private static string Help(string[] args)
    {
        var output = new StringWriter();
        int code = Program.RunAsync(args, output, output).GetAwaiter().GetResult();
        Assert.True(code == 0, $"edge-runtime {string.Join(' ', args)} exits with {code}: {output}");
        return output.ToString();
    }

    [GeneratedRegex(@"^(\s*)# ([a-z_]+: )", RegexOptions.Multiline)]
    private static partial Regex ProposalPattern();

    [GeneratedRegex("^(channels|source):", RegexOptions.Multiline)]
    private static partial Regex SourcePattern();

    [GeneratedRegex(@"dotnet test ([^-\s]\S*)")]
    private static partial Regex TargetPattern();

    [GeneratedRegex("--filter \"?([^\"`]+?)\"?$")]
    private static partial Regex FilterPattern();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex LinkPattern();
}
