using System.Diagnostics;
using System.Text;

namespace Edge.Cluster.Tests.Servers;

/// <summary>A PostgreSQL server of its own. It does not run as root: then the user of its package runs it.</summary>
internal sealed class PostgresServer(string folder) : IDisposable
{
    private const int SigQuit = 3;

    private readonly StringBuilder _said = new();
    private Process? _process;

    internal int Port { get; } = ServerPrograms.FreePort();

    internal int ProcessId => _process!.Id;

    private string Data => Path.Combine(folder, "data");

    internal async Task StartAsync()
    {
        Directory.CreateDirectory(folder);
        if (Environment.IsPrivilegedProcess)
        {
            using Process chown = Process.Start("chown", ["postgres", folder]);
            await chown.WaitForExitAsync();
        }

        Process init = Begin("initdb", "-D", Data, "-A", "trust", "-U", "edge", "-E", "UTF8", "--no-sync", "--no-locale");
        await init.WaitForExitAsync();
        if (init.ExitCode != 0)
        {
            throw new InvalidOperationException($"initdb: {Said()}");
        }

        string access = Path.Combine(Data, "pg_hba.conf");
        await File.WriteAllTextAsync(access, "host all guarded 127.0.0.1/32 scram-sha-256\n" + await File.ReadAllTextAsync(access));
        await File.AppendAllTextAsync(
            Path.Combine(Data, "postgresql.conf"),
            $"""

            port = {Port}
            listen_addresses = '127.0.0.1'
            unix_socket_directories = ''
            max_wal_size = 4GB
            shared_buffers = 256MB

            """);
        await RestartAsync();
    }

    /// <summary>Ends it as a power cut would (immediate shutdown), so that it has to recover at its next start.</summary>
    internal void Crash()
    {
        _ = WorkerProcess.Signal(_process!.Id, SigQuit);
        _process.WaitForExit();
        _process.Dispose();
        _process = null;
    }

    internal async Task RestartAsync()
    {
        _process = Begin("postgres", "-D", Data);
        await ServerPrograms.ListeningAsync(_process, Port, Said);
    }

    public void Dispose()
    {
        if (_process is not null)
        {
            Crash();
        }
    }

    private string Said()
    {
        lock (_said)
        {
            return _said.ToString();
        }
    }

    private Process Begin(string name, params string[] arguments)
    {
        string program = Path.Combine(ServerPrograms.PostgresFolder!, name);
        ProcessStartInfo start = Environment.IsPrivilegedProcess
            ? new("setpriv", ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", program, .. arguments])
            : new(program, arguments);
        start.WorkingDirectory = "/";
        start.Environment["LC_ALL"] = "C";
        start.Environment["PGTZ"] = "UTC";
        return ServerPrograms.Begin(start, _said);
    }
}
