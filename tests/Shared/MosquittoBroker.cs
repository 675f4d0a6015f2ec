using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Edge.Testing;

/// <summary>A mosquitto broker as a child process on the loopback interface, with nothing kept on disk.</summary>
internal sealed class MosquittoBroker : IAsyncDisposable
{
    private static readonly string[] Programs =
    [
        "mosquitto",
        "/usr/sbin/mosquitto",
        "/usr/local/sbin/mosquitto",
        "/opt/homebrew/sbin/mosquitto",
    ];
    private static readonly TimeSpan StartWait = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly string _configFile;

    private MosquittoBroker(Process process, string configFile)
    {
        _process = process;
        _configFile = configFile;
    }

    internal int ProcessId => _process.Id;

    /// <param name="port">A free port.</param>
    /// <param name="cancel">Gives up waiting.</param>
    /// <param name="config">Further lines for mosquitto.conf; null for anonymous access.</param>
    /// <exception cref="InvalidOperationException">mosquitto is not installed or does not start.</exception>
    internal static async Task<MosquittoBroker> StartAsync(int port, string? config = null, CancellationToken cancel = default)
    {
        string configFile = Path.GetTempFileName();
        await File.WriteAllTextAsync(
            configFile,
            $"listener {port} 127.0.0.1\n{config ?? "allow_anonymous true"}\nset_tcp_nodelay true\nmax_queued_messages 100000\n",
            cancel).ConfigureAwait(false);
        Process process = Start(configFile);
        var broker = new MosquittoBroker(process, configFile);
        try
        {
            await broker.WaitUntilListeningAsync(port, cancel).ConfigureAwait(false);
            return broker;
        }
        catch
        {
            await broker.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            _process.Kill();
            await _process.WaitForExitAsync().ConfigureAwait(false);
        }
        catch (InvalidOperationException)
        {
            // It had ended by itself.
        }

        _process.Dispose();
        File.Delete(_configFile);
    }

    private static Process Start(string configFile)
    {
        foreach (string program in Programs)
        {
            try
            {
                return Process.Start(
                    new ProcessStartInfo(program, ["-c", configFile]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            }
            catch (Win32Exception)
            {
                // Not there; the next one may be.
            }
        }

        File.Delete(configFile);
        throw new InvalidOperationException("mosquitto is not installed. Install it: sudo apt-get install mosquitto.");
    }

    private async Task WaitUntilListeningAsync(int port, CancellationToken cancel)
    {
        string errors = "";
        _process.ErrorDataReceived += (_, line) => errors += line.Data is { } text && text.Contains("Error") ? text + " " : "";
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
        for (long started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < StartWait;)
        {
            using var socket = new TcpClient();
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, port, cancel).ConfigureAwait(false);
                if (!_process.HasExited)
                {
                    return;
                }
            }
            catch (SocketException)
            {
                // Not listening yet.
            }

            if (_process.HasExited)
            {
                throw new InvalidOperationException(
                    $"mosquitto ended with code {_process.ExitCode} at start on port {port}: {errors.Trim()}");
            }

            await Task.Delay(20, cancel).ConfigureAwait(false);
        }

        throw new InvalidOperationException($"mosquitto did not listen on port {port} within {StartWait.TotalSeconds:0} s.");
    }
}
