using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Edge.Benchmarks;

/// <summary>edge-runtime as it goes onto a device (publish profile <c>device</c>), and what its process takes.</summary>
internal sealed class PublishedProgram
{
    private readonly string _path;

    private PublishedProgram(string path) => _path = path;

    /// <summary>Takes what a folder has, or publishes into one.</summary>
    /// <param name="published">A folder that <c>deploy/publish.sh</c> wrote; null to publish.</param>
    /// <param name="folder">Where to publish.</param>
    internal static PublishedProgram Publish(string? published, string folder)
    {
        if (published is not null)
        {
            return new PublishedProgram(Path.Combine(Path.GetFullPath(published), "edge-runtime"));
        }

        string source = FromHere("src/Edge.Runtime");
        string rid = $"linux-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        Run("dotnet", ["publish", source, "-p:PublishProfile=device", "-r", rid, "-o", folder, "-v:q"]);
        return new PublishedProgram(Path.Combine(folder, "edge-runtime"));
    }

    /// <summary>Starts <c>run</c> with the environment of the systemd unit.</summary>
    internal Measured Start(string config) => new(_path, ["run", "--config", config], new()
    {
        ["DOTNET_EnableDiagnostics"] = "0",
    });

    /// <summary>A path inside the repository, wherever this runs from.</summary>
    internal static string FromHere(string path)
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "Edge.sln")))
            {
                return Path.Combine(at.FullName, path);
            }
        }

        throw new InvalidOperationException("The benchmarks run inside the repository.");
    }

    /// <summary>Runs a program to its end.</summary>
    internal static void Run(string program, string[] arguments, string? folder = null)
    {
        using var process = Process.Start(
            new ProcessStartInfo(program, arguments) { WorkingDirectory = folder ?? "", RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} failed:\n{output}");
        }
    }
}

/// <summary>A process that runs, and what it has taken so far; read from /proc.</summary>
internal sealed class Measured : IDisposable
{
    private readonly Process _process;

    internal Measured(string program, string[] arguments, Dictionary<string, string> environment)
    {
        // Straight from the program: pipes that nobody empties would hold it up.
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$0\" \"$@\" >/dev/null 2>&1", program, .. arguments]);
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        Started = Stopwatch.GetTimestamp();
        _process = Process.Start(start)!;
    }

    internal int Id => _process.Id;

    internal long Started { get; }

    /// <summary>Processor time so far, of threads that ended too; seconds.</summary>
    internal double CpuSeconds
    {
        get
        {
            string stat = File.ReadAllText($"/proc/{_process.Id}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture)) / 100;
        }
    }

    /// <summary>Resident memory now; MB of a million bytes.</summary>
    internal double ResidentMB => Status("VmRSS");

    /// <summary>Runs to the end, looking at resident memory meanwhile.</summary>
    /// <returns>Seconds it took, and the most memory that was resident.</returns>
    internal (double Seconds, double PeakMB) WaitToEnd()
    {
        double peak = 0;
        while (!_process.WaitForExit(50))
        {
            peak = Math.Max(peak, Status("VmHWM"));
        }

        double seconds = Stopwatch.GetElapsedTime(Started).TotalSeconds;
        return _process.ExitCode == 0
            ? (seconds, peak)
            : throw new InvalidOperationException($"The process ended with {_process.ExitCode}.");
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)])!.WaitForExit();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private double Status(string field)
    {
        try
        {
            string? line = File.ReadLines($"/proc/{_process.Id}/status")
                .FirstOrDefault(line => line.StartsWith(field, StringComparison.Ordinal));
            return line is null
                ? 0
                : double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) * 1024 / 1e6;
        }
        catch (IOException)
        {
            // It ended in between.
            return 0;
        }
    }
}
