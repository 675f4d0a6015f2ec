using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Edge.EndToEnd.Tests;

/// <summary>A message that was published to a <see cref="ScriptedBroker"/>.</summary>
internal sealed record Published(int Connection, int Id, string Payload);

/// <summary>
/// A server that takes MQTT 5 connections and acknowledges when and in what order a test says: no real broker can be told to.
/// </summary>
internal sealed class ScriptedBroker : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly List<TcpClient> _connections = [];
    private readonly List<Published> _published = [];
    private readonly ushort _receiveMaximum;
    private readonly ushort _keepAliveSeconds;
    private readonly Func<ScriptedBroker, Published, Task> _onPublish;
    private readonly Task _accepting;

    /// <param name="onPublish">Called for each message at QoS 1, in order.</param>
    /// <param name="receiveMaximum">How many unacknowledged messages it takes.</param>
    /// <param name="keepAliveSeconds">How long a connection may be silent, instead of what the client wants.</param>
    internal ScriptedBroker(
        Func<ScriptedBroker, Published, Task> onPublish, ushort receiveMaximum = ushort.MaxValue, ushort keepAliveSeconds = 60)
    {
        _keepAliveSeconds = keepAliveSeconds;
        _onPublish = onPublish;
        _receiveMaximum = receiveMaximum;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    internal int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Subscriptions of all connections, none of which is answered.</summary>
    internal int Subscriptions { get; private set; }

    /// <summary>Pings of all connections.</summary>
    internal int Pings { get; private set; }

    internal IReadOnlyList<Published> All
    {
        get
        {
            lock (_published)
            {
                return [.. _published];
            }
        }
    }

    /// <summary>Acknowledges a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="reason">An MQTT 5 reason code; 0 for success.</param>
    internal async Task AcknowledgeAsync(Published message, byte reason = 0)
    {
        byte[] acknowledgement = [0x40, 3, (byte)(message.Id >> 8), (byte)message.Id, reason];
        await _connections[message.Connection].GetStream().WriteAsync(acknowledgement);
    }

    /// <summary>Ends a connection with a reset.</summary>
    internal void Reset(int connection)
    {
        _connections[connection].Client.LingerState = new LingerOption(true, 0);
        _connections[connection].Close();
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _accepting;
        _connections.ForEach(connection => connection.Dispose());
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _connections.Add(await _listener.AcceptTcpClientAsync());
                _ = ServeAsync(_connections.Count - 1);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(int connection)
    {
        try
        {
            NetworkStream stream = _connections[connection].GetStream();
            while (true)
            {
                (int head, byte[] body) = await ReadPacketAsync(stream);
                switch (head >> 4)
                {
                    case 1:
                        // CONNACK with a receive maximum (property 0x21) and a keep-alive time (0x13).
                        byte[] maximum = [0x21, (byte)(_receiveMaximum >> 8), (byte)_receiveMaximum];
                        byte[] keepAlive = [0x13, (byte)(_keepAliveSeconds >> 8), (byte)_keepAliveSeconds];
                        byte[] connected = [0x20, 9, 0, 0, 6, .. maximum, .. keepAlive];
                        await stream.WriteAsync(connected);
                        break;
                    case 3 when (head & 0x06) != 0:
                        Published message = Read(connection, body);
                        lock (_published)
                        {
                            _published.Add(message);
                        }

                        await _onPublish(this, message);
                        break;
                    case 8:
                        Subscriptions++;
                        break;
                    case 12:
                        Pings++;
                        await stream.WriteAsync(new byte[] { 0xD0, 0 });
                        break;
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The connection ended.
        }
    }

    private static Published Read(int connection, byte[] body)
    {
        int at = 2 + BinaryPrimitives.ReadUInt16BigEndian(body);
        int id = BinaryPrimitives.ReadUInt16BigEndian(body.AsSpan(at));
        int properties = body[at + 2];
        return new Published(connection, id, System.Text.Encoding.UTF8.GetString(body.AsSpan(at + 3 + properties)));
    }

    private static async Task<(int Head, byte[] Body)> ReadPacketAsync(NetworkStream stream)
    {
        byte[] one = new byte[1];
        await stream.ReadExactlyAsync(one);
        int head = one[0];
        int length = 0;
        int shift = 0;
        do
        {
            await stream.ReadExactlyAsync(one);
            length |= (one[0] & 0x7F) << shift;
            shift += 7;
        }
        while ((one[0] & 0x80) != 0);
        byte[] body = new byte[length];
        await stream.ReadExactlyAsync(body);
        return (head, body);
    }
}
