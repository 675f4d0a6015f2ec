using System.Net;
using System.Net.Sockets;
using Edge.Runtime.Mqtt.Mosquitto;

namespace Edge.EndToEnd.Tests;

/// <summary>A real mosquitto on a free loopback port.</summary>
internal sealed class TestBroker : IAsyncDisposable
{
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

    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Waits until somebody listens on a port.</summary>
    internal static async Task UntilListeningAsync(int port)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                using var socket = new TcpClient();
                await socket.ConnectAsync(IPAddress.Loopback, port);
                return;
            }
            catch (SocketException) when (attempt < 500)
            {
                await Task.Delay(20);
            }
        }
    }

    /// <summary>Stops the process without ending it: the kernel still takes what is sent to it, until its buffers are full.</summary>
    internal void Freeze() => _ = RuntimeProcess.Signal(_broker!.ProcessId, RuntimeProcess.SigStop);

    internal void Thaw() => _ = RuntimeProcess.Signal(_broker!.ProcessId, RuntimeProcess.SigContinue);

    internal async Task StartAgainAsync() => _broker = await MosquittoBroker.StartAsync(Port, _config, default);

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
