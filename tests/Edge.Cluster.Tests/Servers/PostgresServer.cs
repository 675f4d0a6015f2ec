using System.Diagnostics;
using System.Text;
using Npgsql;

namespace Edge.Cluster.Tests.Servers;

/// <summary>A PostgreSQL server of its own. It does not run as root: then the user of its package runs it.</summary>
/// <param name="folder">Folder for everything that it writes.</param>
/// <param name="logFolder">Another folder for its log of changes (WAL), or null.</param>
internal sealed class PostgresServer(string folder, string? logFolder = null) : IDisposable
{
    private const int SigQuit = 3;

    private readonly StringBuilder _said = new();
    private Process? _process;

    internal int Port { get; } = ServerPrograms.FreePort();

    internal int ProcessId => _process!.Id;

    private string Data => Path.Combine(folder, "data");

    internal async Task StartAsync()
    {
        MakeFolder(folder);
        string[] log = [];
        if (logFolder is not null)
        {
            MakeFolder(logFolder);
            log = ["--waldir", logFolder, "--wal-segsize", "1"];
        }

        Process init = Begin("initdb", ["-D", Data, "-A", "trust", "-U", "edge", "-E", "UTF8", "--no-sync", "--no-locale", .. log]);
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

    /// <summary>Makes a folder that the server may write to.</summary>
    internal static void MakeFolder(string folder)
    {
        Directory.CreateDirectory(folder);
        Own(folder);
    }

    /// <summary>Runs a statement in a database.</summary>
    internal async Task ExecuteAsync(string sql, string database = "postgres")
    {
        await using var connection = new NpgsqlConnection($"Host=127.0.0.1;Port={Port};Username=edge;Database={database};Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Takes TLS connections from now on, with a certificate.</summary>
    /// <param name="certificates">Folder of ca.pem, server.pem and server.key.</param>
    internal async Task UseTlsAsync(string certificates)
    {
        // The key must be the server's alone.
        string own = Path.Combine(folder, Path.GetRandomFileName());
        Directory.CreateDirectory(own);
        foreach (string name in new[] { "ca.pem", "server.pem", "server.key" })
        {
            string file = Path.Combine(own, name);
            File.Copy(Path.Combine(certificates, name), file);
            File.SetUnixFileMode(file, UnixFileMode.UserRead);
            Own(file);
        }

        Own(own);
        await ExecuteAsync($"ALTER SYSTEM SET ssl_ca_file = '{own}/ca.pem'");
        await ExecuteAsync($"ALTER SYSTEM SET ssl_cert_file = '{own}/server.pem'");
        await ExecuteAsync($"ALTER SYSTEM SET ssl_key_file = '{own}/server.key'");
        await ExecuteAsync("ALTER SYSTEM SET ssl = on");
        await ExecuteAsync("SELECT pg_reload_conf()");
    }

    /// <summary>Takes no TLS connections any more.</summary>
    internal async Task UseNoTlsAsync()
    {
        await ExecuteAsync("ALTER SYSTEM RESET ALL");
        await ExecuteAsync("SELECT pg_reload_conf()");
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

        // It listens before it has recovered. Recovery ends, or the process does.
        while (true)
        {
            try
            {
                await ExecuteAsync("SELECT 1");
                return;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.CannotConnectNow && !_process.HasExited)
            {
                await Task.Delay(50);
            }
        }
    }

    public void Dispose()
    {
        if (_process is not null)
        {
            Crash();
        }
    }

    private static void Own(string path)
    {
        if (Environment.IsPrivilegedProcess)
        {
            using Process chown = Process.Start("chown", ["postgres", path]);
            chown.WaitForExit();
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
