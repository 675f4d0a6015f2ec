using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Edge.Cluster.Tests.Servers;

/// <summary>RabbitMQ and PostgreSQL as Debian's packages install them, started as child processes on the loopback interface.</summary>
internal static class ServerPrograms
{
    private const string RabbitServer = "/usr/lib/rabbitmq/bin/rabbitmq-server";

    private static readonly TimeSpan StartWait = TimeSpan.FromMinutes(10);

    /// <summary>Why they cannot be started here, or null.</summary>
    internal static string? Missing { get; } =
        !File.Exists(RabbitServer) ? "RabbitMQ is not installed here (Debian: rabbitmq-server); .ci/run installs it."
        : PostgresFolder is null ? "PostgreSQL is not installed here (Debian: postgresql); .ci/run installs it."
        : null;

    internal static string Rabbit => RabbitServer;

    /// <summary>Folder of PostgreSQL's programs: the newest version's.</summary>
    internal static string? PostgresFolder => Directory.Exists("/usr/lib/postgresql")
        ? Directory.GetDirectories("/usr/lib/postgresql")
            .Select(version => Path.Combine(version, "bin"))
            .Where(folder => File.Exists(Path.Combine(folder, "postgres")))
            .OrderByDescending(folder => folder, StringComparer.Ordinal)
            .FirstOrDefault()
        : null;

    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Starts a process and notes what it prints.</summary>
    internal static Process Begin(ProcessStartInfo start, StringBuilder said)
    {
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        var process = Process.Start(start)!;
        process.OutputDataReceived += Note;
        process.ErrorDataReceived += Note;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;

        void Note(object _, DataReceivedEventArgs line)
        {
            lock (said)
            {
                said.AppendLine(line.Data);
            }
        }
    }

    /// <summary>Waits until someone listens on a port.</summary>
    internal static async Task ListeningAsync(Process server, int port, Func<string> said)
    {
        for (long started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < StartWait;)
        {
            using var socket = new TcpClient();
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, port).ConfigureAwait(false);
                return;
            }
            catch (SocketException)
            {
                // Not yet.
            }

            if (server.HasExited)
            {
                throw new InvalidOperationException($"The server ended with code {server.ExitCode} at its start: {said()}");
            }

            await Task.Delay(50).ConfigureAwait(false);
        }

        throw new TimeoutException($"The server does not listen on port {port}: {said()}");
    }

    /// <summary>Ends a process that was started here, and waits for its end.</summary>
    internal static void End(Process? process)
    {
        if (process is null)
        {
            return;
        }

        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
        }

        process.Dispose();
    }
}
