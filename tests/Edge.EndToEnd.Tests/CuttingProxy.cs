using System.Net;
using System.Net.Sockets;

namespace Edge.EndToEnd.Tests;

/// <summary>
/// A network between service and broker that cuts each connection after so many bytes from the service, in the middle of whatever is
/// being sent.
/// </summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly int _brokerPort;
    private readonly Func<int, int> _bytesOf;
    private readonly Task _accepting;
    private int _connections;

    /// <param name="brokerPort">Where the broker listens.</param>
    /// <param name="bytesOf">Of the n-th connection, how many bytes pass before it is cut.</param>
    internal CuttingProxy(int brokerPort, Func<int, int> bytesOf)
    {
        _brokerPort = brokerPort;
        _bytesOf = bytesOf;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    internal int Port { get; }

    internal int Cuts { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient service = await _listener.AcceptTcpClientAsync(_stop.Token);
                _ = CarryAsync(service);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task CarryAsync(TcpClient service)
    {
        using TcpClient toService = service;
        using var toBroker = new TcpClient();
        try
        {
            await toBroker.ConnectAsync(IPAddress.Loopback, _brokerPort, _stop.Token);
            Task back = toBroker.GetStream().CopyToAsync(toService.GetStream(), _stop.Token);
            var buffer = new byte[4096];

            // Asked when the broker is there: the one that is there now.
            for (int left = _bytesOf(Interlocked.Increment(ref _connections) - 1); left > 0;)
            {
                int read = await toService.GetStream().ReadAsync(buffer.AsMemory(0, Math.Min(left, buffer.Length)), _stop.Token);
                if (read == 0)
                {
                    return;
                }

                await toBroker.GetStream().WriteAsync(buffer.AsMemory(0, read), _stop.Token);
                left -= read;
            }

            // A reset, not a goodbye: what was on its way is gone.
            Cuts++;
            toService.Client.LingerState = new LingerOption(true, 0);
            toBroker.Client.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
        {
            // One of the two went first.
        }
    }
}
