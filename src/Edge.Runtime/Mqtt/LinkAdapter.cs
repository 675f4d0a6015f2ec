using System.Net;
using System.Security.Cryptography.X509Certificates;
using MQTTnet;
using MQTTnet.Adapter;
using MQTTnet.Channel;
using MQTTnet.Diagnostics.Logger;
using MQTTnet.Formatter;
using MQTTnet.Implementations;
using MQTTnet.Packets;
using MQTTnet.Protocol;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// Stands between MQTTnet's client and its connection. The client connects, subscribes, receives and disconnects through it. Publishing
/// goes past the client, which would make a task, a lock and two writes of each message: packets are gathered and acknowledgments settled
/// here.
/// </summary>
internal sealed class LinkAdapter : IMqttChannelAdapter
{
    private readonly CoalescingChannel _channel;
    private readonly MqttChannelAdapter _inner;
    private readonly UnacknowledgedMessages _unacknowledged;
    private readonly ushort _keepAliveSeconds;

    internal LinkAdapter(MqttClientOptions options, UnacknowledgedMessages unacknowledged, ushort keepAliveSeconds, IMqttNetLogger logger)
    {
        IMqttChannel connection = options.ChannelOptions is MqttClientWebSocketOptions webSocket
            ? new MqttWebSocketChannel(webSocket)
            : new MqttTcpChannel(options);
        _channel = new CoalescingChannel(connection);
        _unacknowledged = unacknowledged;
        _keepAliveSeconds = keepAliveSeconds;
        var writer = new MqttBufferWriter(options.WriterBufferSize, options.WriterBufferSizeMax);
        _inner = new MqttChannelAdapter(
            new BoundedChannel(_channel, PacketMaxBytes),
            new MqttPacketFormatterAdapter(options.ProtocolVersion, writer),
            logger);
    }

    /// <summary>Largest packet that is taken in: more than any message that this program wants.</summary>
    internal const int PacketMaxBytes = 1 << 20;

    /// <summary>How the broker said that it ends the connection (MQTT 5), or null.</summary>
    internal MqttDisconnectPacket? Disconnected { get; private set; }

    /// <summary>Limits the messages that have arrived and are not processed.</summary>
    internal ReceiveLimit Received { get; } = new();

    /// <summary>Seconds after which the broker must hear of us: those we asked for, or those it asks for.</summary>
    internal int KeepAliveSeconds { get; private set; }

    internal CoalescingChannel Channel => _channel;

    public long BytesReceived => _inner.BytesReceived;

    public long BytesSent => _inner.BytesSent;

    public X509Certificate2 ClientCertificate => _inner.ClientCertificate;

    public EndPoint RemoteEndPoint => _inner.RemoteEndPoint;

    public EndPoint LocalEndPoint => _inner.LocalEndPoint;

    public bool IsSecureConnection => _inner.IsSecureConnection;

    public MqttPacketFormatterAdapter PacketFormatterAdapter => _inner.PacketFormatterAdapter;

    public Task ConnectAsync(CancellationToken cancellationToken) => _inner.ConnectAsync(cancellationToken);

    public Task DisconnectAsync(CancellationToken cancellationToken) => _inner.DisconnectAsync(cancellationToken);

    public void ResetStatistics() => _inner.ResetStatistics();

    /// <summary>Sends a packet of the client's at once, behind what was gathered.</summary>
    public async Task SendPacketAsync(MqttPacket packet, CancellationToken cancellationToken)
    {
        if (packet is MqttConnectPacket connect)
        {
            connect.KeepAlivePeriod = _keepAliveSeconds;
        }

        await _inner.SendPacketAsync(packet, cancellationToken).ConfigureAwait(false);
        await _channel.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Gathers a packet: it goes out with the next flush.</summary>
    internal Task GatherAsync(MqttPublishPacket packet) => _inner.SendPacketAsync(packet, CancellationToken.None);

    /// <summary>The next packet for the client. Acknowledgments of what was published never reach it.</summary>
    public async Task<MqttPacket> ReceivePacketAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            MqttPacket packet = await _inner.ReceivePacketAsync(cancellationToken).ConfigureAwait(false);
            switch (packet)
            {
                case MqttPubAckPacket acknowledgment:
                    _unacknowledged.Settle(acknowledgment.PacketIdentifier, Refusal(acknowledgment));
                    break;
                case MqttPublishPacket message:
                    bool canWait = message.QualityOfServiceLevel != MqttQualityOfServiceLevel.AtMostOnce;
                    if (await Received.AddAsync(message.Payload.Length, canWait, cancellationToken).ConfigureAwait(false))
                    {
                        return packet;
                    }

                    break;
                case MqttDisconnectPacket disconnected:
                    Disconnected = disconnected;
                    return packet;
                case MqttConnAckPacket connected:
                    // The client would ping four times a second if it saw this value, although its own keep-alive is off.
                    KeepAliveSeconds = connected.ServerKeepAlive > 0 ? connected.ServerKeepAlive : _keepAliveSeconds;
                    connected.ServerKeepAlive = 0;
                    return packet;
                default:
                    return packet;
            }
        }
    }

    public void Dispose() => _inner.Dispose();

    // MQTT 5 has two reason codes that are not a refusal: accepted, and accepted without a subscriber.
    private static MqttRefusedException? Refusal(MqttPubAckPacket acknowledgment) =>
        acknowledgment.ReasonCode is MqttPubAckReasonCode.Success or MqttPubAckReasonCode.NoMatchingSubscribers
            ? null
            : new MqttRefusedException($"{acknowledgment.ReasonCode}.");
}

/// <summary>Gives the client the adapter of its one connection.</summary>
internal sealed class LinkAdapterFactory(UnacknowledgedMessages unacknowledged, int keepAliveSeconds) : IMqttClientAdapterFactory
{
    /// <summary>The adapter, once the client has begun to connect.</summary>
    internal LinkAdapter? Adapter { get; private set; }

    public IMqttChannelAdapter CreateClientAdapter(MqttClientOptions options, MqttPacketInspector packetInspector, IMqttNetLogger logger) =>
        Adapter = new LinkAdapter(options, unacknowledged, (ushort)keepAliveSeconds, logger);
}
