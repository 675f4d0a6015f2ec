using System.Net;
using System.Net.Sockets;
using Edge.Testing;

namespace Edge.EndToEnd.Tests;

/// <summary>A real mosquitto on a free loopback port.</summary>
internal sealed class TestBroker : IAsyncDisposable
{
    private const int FirstPort = 20_000;
    private const int Ports = 12_000;

    // Another process of tests begins elsewhere.
    private static int PortsGiven = Environment.ProcessId * 97;

    private readonly string? _config;
    private MosquittoBroker? _broker;

    private TestBroker(int port, string? config)
    {
        Port = port;
        _config = config;
    }

    internal int Port { get; }

    internal static async Task<TestBroker> StartAsync(string? config = null)
    {
        var broker = new TestBroker(FreePort(), config);
        await broker.StartAgainAsync();
        return broker;
    }

    /// <summary>A port below those that the kernel gives to whoever connects: of these any may be in use the next moment.</summary>
    internal static int FreePort()
    {
        while (true)
        {
            int port = FirstPort + (int)((uint)Interlocked.Increment(ref PortsGiven) % Ports);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken; the next one may not be.
            }
        }
    }

    /// <summary>Stops the process without ending it: the kernel still takes what is sent to it, until its buffers are full.</summary>
    internal void Freeze() => _ = RuntimeProcess.Signal(_broker!.ProcessId, RuntimeProcess.SigStop);

    internal void Thaw() => _ = RuntimeProcess.Signal(_broker!.ProcessId, RuntimeProcess.SigContinue);

    internal async Task StartAgainAsync() => _broker = await MosquittoBroker.StartAsync(Port, _config);

    internal async Task KillAsync()
    {
        if (_broker is not null)
        {
            await _broker.DisposeAsync();
            _broker = null;
        }
    }

    public async ValueTask DisposeAsync() => await KillAsync();
}
