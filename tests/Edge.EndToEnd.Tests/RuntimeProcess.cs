using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// edge-runtime as its own process, as systemd would run it: the build beside the tests, or the program that <c>EDGE_PROGRAM</c> names,
/// such as one published for a device.
/// </summary>
internal sealed partial class RuntimeProcess : IDisposable
{
    internal const int SigStop = 19;
    internal const int SigContinue = 18;
    private const string ProgramVariable = "EDGE_PROGRAM";
    private const int SigTerm = 15;
    private const int SigHup = 1;
    private readonly Process _process;
    private readonly StringBuilder _error = new();
    private readonly StringBuilder _output = new();

    private RuntimeProcess(string[] args, IReadOnlyDictionary<string, string?> environment, params string[] under)
    {
        string[] program = Environment.GetEnvironmentVariable(ProgramVariable) is { Length: > 0 } published
            ? [published]
            : ["dotnet", Path.Combine(AppContext.BaseDirectory, "edge-runtime.dll")];

        // Under nohup a child would inherit that SIGHUP is ignored.
        var start = new ProcessStartInfo("env", ["--default-signal=HUP", .. under, .. program, .. args])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        foreach ((string name, string? value) in environment)
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_error)
            {
                _error.AppendLine(line.Data);
            }
        };
        _process.OutputDataReceived += (_, line) =>
        {
            lock (_output)
            {
                _output.AppendLine(line.Data);
            }
        };
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
    }

    internal string Error
    {
        get
        {
            lock (_error)
            {
                return _error.ToString();
            }
        }
    }

    /// <summary>What it wrote on its standard output.</summary>
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

    internal long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Open files, sockets and the like.</summary>
    internal int Handles => Directory.GetFileSystemEntries($"/proc/{_process.Id}/fd").Length;

    internal static RuntimeProcess Start(params string[] args) => new(args, new Dictionary<string, string?>());

    internal static RuntimeProcess Start(IReadOnlyDictionary<string, string?> environment, params string[] args) => new(args, environment);

    /// <summary>On a disk that takes long over some calls: strace holds those up. Needs strace.</summary>
    /// <param name="calls">Which, separated by commas.</param>
    /// <param name="when">Which of each thread's: <c>100+300</c> for the hundredth and each 300th after it.</param>
    /// <param name="delay">How long.</param>
    /// <param name="log">Beginning of the names of the files that list the calls, one file per thread.</param>
    /// <param name="args">The program's.</param>
    internal static RuntimeProcess StartWithSlowDisk(string calls, string when, TimeSpan delay, string log, params string[] args) => new(
        args,
        new Dictionary<string, string?>(),
        "strace",
        "-D",
        "-f",
        "-ff",
        "-ttt",
        "--seccomp-bpf",
        "-o",
        log,
        "-e",
        $"trace={calls}",
        "-e",
        $"inject={calls}:delay_enter={(long)delay.TotalMicroseconds}:when={when}");

    internal async Task<int> ExitAsync(int secondsMax = 120)
    {
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(secondsMax));
        return _process.ExitCode;
    }

    /// <summary>Waits until its log has a line with that text.</summary>
    internal Task UntilSaidAsync(string text) =>
        Eventually.Async(() => Error.Contains(text, StringComparison.Ordinal), $"it says '{text}'");

    internal void Terminate() => _ = Signal(_process.Id, SigTerm);

    internal void Hangup() => _ = Signal(_process.Id, SigHup);

    /// <summary>Stops it where it is: its connections stay open, and nothing comes.</summary>
    internal void Freeze() => _ = Signal(_process.Id, SigStop);

    internal void Thaw() => _ = Signal(_process.Id, SigContinue);

    internal void Kill() => _process.Kill();

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    internal static partial int Signal(int process, int signal);
}
