using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Edge.Cluster.Tests.Servers;

/// <summary>A worker as its own process.</summary>
internal sealed partial class WorkerProcess : IDisposable
{
    internal const int SigTerm = 15;
    internal const int SigStop = 19;
    internal const int SigContinue = 18;

    // Another program than the build beside the tests, for measurements: a .dll, or native code.
    private static readonly string Program =
        Environment.GetEnvironmentVariable("EDGE_CLUSTER_PROGRAM") ?? Path.Combine(AppContext.BaseDirectory, "edge-cluster.dll");

    private readonly Process _process;
    private readonly StringBuilder _error = new();

    internal WorkerProcess(string config)
    {
        string[] arguments = ["run", "--config", config];
        ProcessStartInfo start = Program.EndsWith(".dll", StringComparison.Ordinal)
            ? new("dotnet", [Program, .. arguments])
            : new(Program, arguments);
        start.RedirectStandardError = true;
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_error)
            {
                _error.AppendLine(line.Data);
            }
        };
        _process.BeginErrorReadLine();
    }

    internal int Id => _process.Id;

    /// <summary>The name under which it holds partitions.</summary>
    internal string Name => $"{Environment.MachineName}-{_process.Id}";

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

    internal bool HasExited => _process.HasExited;

    internal int ExitCode => _process.ExitCode;

    internal long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    internal TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>kill -9.</summary>
    internal void Kill() => _process.Kill();

    internal void Send(int signal) => _ = Signal(_process.Id, signal);

    public void Dispose() => ServerPrograms.End(_process);

    [LibraryImport("libc", EntryPoint = "kill")]
    internal static partial int Signal(int process, int signal);
}
