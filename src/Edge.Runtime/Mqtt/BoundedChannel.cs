using System.Buffers;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using MQTTnet.Channel;
using MQTTnet.Exceptions;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// Limits what a peer can make this process hold. MQTTnet allocates a packet from the length in its header, up to 256 MB, before a byte
/// of it has come. Here a larger PUBLISH arrives cut to the limit, and its rest is dropped while it comes in; it can still be
/// acknowledged. Any other larger packet ends the connection. MQTT 5, section 2.1.4, has the header.
/// </summary>
/// <param name="inner">The connection.</param>
/// <param name="packetMaxBytes">Most bytes after the fixed header.</param>
internal sealed class BoundedChannel(IMqttChannel inner, int packetMaxBytes) : IMqttChannel
{
    private const int TypePublish = 3;
    private const int LengthBytesMax = 4;

    private readonly byte[] _head = new byte[1 + LengthBytesMax];
    private readonly byte[] _dropped = new byte[4096];
    private int _headFrom;
    private int _headTo;
    private long _bodyLeft;
    private long _dropLeft;

    public X509Certificate2 ClientCertificate => inner.ClientCertificate;

    public EndPoint RemoteEndPoint => inner.RemoteEndPoint;

    public EndPoint LocalEndPoint => inner.LocalEndPoint;

    public bool IsSecureConnection => inner.IsSecureConnection;

    public Task ConnectAsync(CancellationToken cancellationToken) => inner.ConnectAsync(cancellationToken);

    public Task DisconnectAsync(CancellationToken cancellationToken) => inner.DisconnectAsync(cancellationToken);

    public Task WriteAsync(ReadOnlySequence<byte> buffer, bool isEndOfPacket, CancellationToken cancellationToken) =>
        inner.WriteAsync(buffer, isEndOfPacket, cancellationToken);

    /// <exception cref="MqttCommunicationException">The connection is lost, or the peer announces a packet that is too large.</exception>
    public async Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        if (_headFrom == _headTo && _bodyLeft == 0 && !await BeginPacketAsync(cancellationToken).ConfigureAwait(false))
        {
            return 0;
        }

        if (_headFrom < _headTo)
        {
            int some = Math.Min(count, _headTo - _headFrom);
            _head.AsSpan(_headFrom, some).CopyTo(buffer.AsSpan(offset));
            _headFrom += some;
            return some;
        }

        int read = await inner.ReadAsync(buffer, offset, (int)Math.Min(count, _bodyLeft), cancellationToken).ConfigureAwait(false);
        _bodyLeft -= read;
        return read;
    }

    public void Dispose() => inner.Dispose();

    // Reads a fixed header. False at the end of the connection.
    private async ValueTask<bool> BeginPacketAsync(CancellationToken cancel)
    {
        while (_dropLeft > 0)
        {
            int some = (int)Math.Min(_dropLeft, _dropped.Length);
            int dropped = await inner.ReadAsync(_dropped, 0, some, cancel).ConfigureAwait(false);
            _dropLeft -= dropped;
            if (dropped == 0)
            {
                return false;
            }
        }

        long length = 0;
        for (int at = 0; at <= LengthBytesMax; at++)
        {
            if (await inner.ReadAsync(_head, at, 1, cancel).ConfigureAwait(false) == 0)
            {
                return false;
            }

            if (at > 0)
            {
                length |= (long)(_head[at] & 0x7F) << (7 * (at - 1));
                if (_head[at] < 0x80)
                {
                    Take(length, at + 1);
                    return true;
                }
            }
        }

        throw new MqttCommunicationException("The broker sent a packet whose length has more than four bytes.");
    }

    private void Take(long length, int headBytes)
    {
        (_headFrom, _headTo, _bodyLeft) = (0, headBytes, length);
        if (length <= packetMaxBytes)
        {
            return;
        }

        if (_head[0] >> 4 != TypePublish)
        {
            throw new MqttCommunicationException($"The broker announced a packet of {length} bytes; {packetMaxBytes} is the limit.");
        }

        (_bodyLeft, _dropLeft) = (packetMaxBytes, length - packetMaxBytes);
        _headTo = 1;
        for (int rest = packetMaxBytes; ; rest >>= 7)
        {
            _head[_headTo++] = (byte)((rest & 0x7F) | (rest > 0x7F ? 0x80 : 0));
            if (rest <= 0x7F)
            {
                return;
            }
        }
    }
}
