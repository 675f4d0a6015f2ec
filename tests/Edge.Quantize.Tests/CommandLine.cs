namespace Edge.Quantize.Tests;

/// <summary>Runs edge-quantize as a shell would, in this process.</summary>
internal static class CommandLine
{
    internal static (int Code, string Output, string Error) Run(params string[] args)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int code = Program.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }

    /// <summary>Asserts exit code 1 and one sentence on stderr that contains each of <paramref name="parts"/>.</summary>
    internal static void Refuses(string[] args, params string[] parts)
    {
        (int code, string _, string error) = Run(args);
        Assert.Equal(1, code);
        Assert.Single(error.TrimEnd().Split('\n'));
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.All(parts, part => Assert.Contains(part, error, StringComparison.Ordinal));
    }

    internal static string Done(params string[] args)
    {
        (int code, string output, string error) = Run(args);
        Assert.Equal("", error);
        Assert.Equal(0, code);
        return output;
    }
}
