using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A program of others that the examples are made for, as a child process.</summary>
internal sealed class ExampleProgram : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();

    internal ExampleProgram(string program, params string[] arguments)
        : this(new Dictionary<string, string>(), program, arguments)
    {
    }

    internal ExampleProgram(IReadOnlyDictionary<string, string> environment, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) => Take(line.Data);
        _process.OutputDataReceived += (_, line) => Take(line.Data);
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
    }

    /// <summary>What it wrote on both outputs.</summary>
    internal string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    internal bool HasExited => _process.HasExited;

    /// <summary>Waits until it ends.</summary>
    /// <returns>Its exit code.</returns>
    internal async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Eventually.Bound);
        return _process.ExitCode;
    }

    /// <summary>As a container is stopped.</summary>
    internal void Terminate() => _ = RuntimeProcess.Signal(_process.Id, 15);

    /// <summary>Runs a program to its end.</summary>
    /// <returns>Its standard output.</returns>
    internal static string Run(string program, string input, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        Assert.True(process.WaitForExit(Eventually.Bound), $"{program} does not end.");
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {output.Result} {errors.Result}");
        return output.Result;
    }

    /// <summary>Whether a program starts and ends well with these arguments.</summary>
    internal static bool Works(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(
                new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private void Take(string? line)
    {
        lock (_output)
        {
            _output.AppendLine(line);
        }
    }
}

/// <summary>A test that runs Node-RED; not run where its packages are not installed.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class NodeRedFactAttribute : FactAttribute
{
    internal const string Folder = "tests/Edge.EndToEnd.Tests/NodeRed";

    public NodeRedFactAttribute() =>
        Skip = File.Exists(Program) && ExampleProgram.Works("node", "--version")
            ? null
            : $"Node-RED is not installed: npm ci --prefix {Folder} (with npm there, ./test.sh does it)";

    internal static string Program => RepositoryFile.Path($"{Folder}/node_modules/node-red/red.js");
}

/// <summary>A test that runs Prometheus.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PrometheusFactAttribute : FactAttribute
{
    public PrometheusFactAttribute() =>
        Skip = ExampleProgram.Works("prometheus", "--version") && ExampleProgram.Works("promtool", "--version")
            ? null
            : "Prometheus is not installed: sudo apt-get install prometheus (as a package it is a service that starts)";
}

/// <summary>A test that renders Home Assistant's templates.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class TemplateFactAttribute : FactAttribute
{
    internal const string Python = "/usr/bin/python3";

    public TemplateFactAttribute() =>
        Skip = ExampleProgram.Works(Python, "-c", "import jinja2, yaml")
            ? null
            : "Jinja is not installed: sudo apt-get install python3-jinja2 python3-yaml";
}
