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
    private volatile bool _swallowsAnswers;

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

    /// <summary>Whether what the broker answers is lost on the way: what it has taken is not acknowledged.</summary>
    internal bool SwallowsAnswers
    {
        get => _swallowsAnswers;
        set => _swallowsAnswers = value;
    }

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
            _ = CarryBackAsync(toBroker, toService);
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

    private async Task CarryBackAsync(TcpClient toBroker, TcpClient toService)
    {
        try
        {
            var buffer = new byte[4096];
            for (int read; (read = await toBroker.GetStream().ReadAsync(buffer, _stop.Token)) > 0;)
            {
                if (!SwallowsAnswers)
                {
                    await toService.GetStream().WriteAsync(buffer.AsMemory(0, read), _stop.Token);
                }
            }

            // A service that waits for answers would not notice that the broker has gone.
            toService.Close();
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException
            or ObjectDisposedException or InvalidOperationException)
        {
            // One of the two went first.
        }
    }
}
