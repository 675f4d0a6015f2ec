using Edge.Testing;

namespace Edge.Quantize.Tests;

/// <summary>What README.md and docs/ tell a reader to type works.</summary>
public sealed class DocSnippetTests
{
    [Fact]
    public void Every_command_and_option_of_edge_quantize_exists() =>
        MarkdownFile.Holds(new DocumentedCommands("edge-quantize", "src/Edge.Quantize", args => CommandLine.Done(args)).Problems());
}
