using System.Diagnostics;
using Edge.Testing;

namespace Edge.Architecture.Tests;

/// <summary>The packages as a stranger has them: packed, and used from an empty folder by the samples, with nothing but the SDK.</summary>
public sealed class PackageTests : IDisposable
{
    // A version that no cache can have.
    private static readonly string Version = $"0.1.0-test.{Environment.ProcessId}.{Environment.TickCount64}";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_samples_run_from_the_packed_packages_in_an_empty_folder()
    {
        foreach (string project in new[] { "Edge.Inference", "Edge.Streams" })
        {
            Run(
                RepositoryFile.Path("."), "pack", $"src/{project}", "-c", "Release", "-o", _folder.File("packages"),
                $"-p:Version={Version}", "--nologo", "-v:q");
        }

        _folder.Write("nuget.config", $"""
            <?xml version="1.0" encoding="utf-8"?>
            <configuration><packageSources><add key="packed" value="{_folder.File("packages")}" /></packageSources></configuration>
            """);
        string forecast = RunSample("Forecast", "Edge.Inference");
        Assert.Contains("temperature[t+1] = ", forecast, StringComparison.Ordinal);
        Assert.Equal(12, forecast.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);

        // The fault of readings.csv begins after 80 seconds, five ticks each.
        string detect = RunSample("Detect", "Edge.Streams");
        Assert.Contains("Opened: temperature is ", detect, StringComparison.Ordinal);
        Assert.Contains("Closed: Back to normal", detect, StringComparison.Ordinal);
        Assert.Contains("499 forecasts, skill 0.", detect, StringComparison.Ordinal);
    }

    [Fact]
    public void The_tool_is_installed_in_an_empty_folder_and_learns_a_model_there()
    {
        Run(
            RepositoryFile.Path("."), "pack", "src/Edge.Quantize", "-c", "Release", "--no-build", "-o", _folder.File("packages"),
            "--nologo", "-v:q");

        // 53 MB; with ONNX Runtime for phones it would be 166.
        Assert.InRange(new FileInfo(_folder.File("packages/Edge.Quantize.0.1.0.nupkg")).Length, 1_000_000, 80_000_000);
        string folder = Directory.CreateDirectory(_folder.File("tool")).FullName;
        Run(folder, "tool", "install", "Edge.Quantize", "--version", "0.1.0", "--tool-path", folder, "--source", _folder.File("packages"));
        string tool = Path.Combine(folder, "edge-quantize");
        string said = Start(
            tool, folder, "train", RepositoryFile.Path("samples/readings.csv"), "--epochs", "1", "--hidden", "4", "--cell", "gru",
            "--horizons", "1", "-o", "model.safetensors");
        Assert.Contains("model.safetensors: regression on ", said, StringComparison.Ordinal);

        // ONNX Runtime's own library is found in the package.
        string exports = RepositoryFile.Path("tests/Edge.Quantize.Tests/Exports");
        Assert.Contains(
            "rows at once on ONNX Runtime",
            Start(tool, folder, "verify-import", $"{exports}/lstm_no_bias.onnx", "--input", $"{exports}/x.f32"),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("src/Edge.Inference/README.md", "samples/Forecast/Program.cs")]
    [InlineData("src/Edge.Streams/README.md", "samples/Detect/Program.cs")]
    public void The_readme_of_a_package_shows_the_sample_that_runs(string readme, string sample) =>
        Assert.Contains(
            $"```csharp\n{File.ReadAllText(RepositoryFile.Path(sample))}```",
            File.ReadAllText(RepositoryFile.Path(readme)),
            StringComparison.Ordinal);

    private string RunSample(string name, string package)
    {
        string folder = Directory.CreateDirectory(_folder.File(name)).FullName;
        File.Copy(RepositoryFile.Path($"samples/{name}/Program.cs"), Path.Combine(folder, "Program.cs"));
        string project = File.ReadAllText(RepositoryFile.Path($"samples/{name}/{name}.csproj"));
        Assert.Contains($"Include=\"{package}\" Version=\"0.1.0\"", project, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, $"{name}.csproj"), project.Replace("0.1.0", Version, StringComparison.Ordinal));
        string model = RepositoryFile.Path("src/Edge.Runtime/Demo/greenhouse.safetensors");
        return Run(folder, "run", "-c", "Release", "--", model, RepositoryFile.Path("samples/readings.csv"));
    }

    private static string Run(string folder, params string[] arguments) => Start("dotnet", folder, arguments);

    private static string Start(string program, string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // A build server that this starts would outlive the test and hold its output open.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        start.Environment["UseSharedCompilation"] = "false";
        start.Environment.Remove("CI");
        start.Environment.Remove("DOTNET_EnableAVX2");
        start.Environment.Remove("DOTNET_EnableHWIntrinsic");
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(
            process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {output} {errors.Result}");
        return output;
    }
}
