using System.Buffers;
using System.Net.Sockets;
using Edge.Inference;
using MQTTnet;
using MQTTnet.Diagnostics.Logger;
using MQTTnet.Exceptions;
using MQTTnet.Packets;
using MQTTnet.Protocol;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// One connection over MQTTnet 5. Its client connects, subscribes and receives; publishing goes straight to the connection
/// (<see cref="LinkAdapter"/>).
/// </summary>
internal sealed partial class MqttNetLink : IMqttLink
{
    private readonly MqttLinkOptions _options;
    private readonly UnacknowledgedMessages _unacknowledged = new();
    private readonly LinkAdapterFactory _adapters;
    private readonly IMqttClient _client;
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private LinkAdapter? _adapter;
    private KeepAlive? _keepAlive;

    internal MqttNetLink(MqttLinkOptions options)
    {
        _options = options;
        _adapters = new LinkAdapterFactory(_unacknowledged, options.KeepAliveSeconds);
        _client = new MqttClientFactory(new MqttNetNullLogger(), _adapters).CreateMqttClient();
        _client.DisconnectedAsync += disconnected =>
        {
            IsEndedByBroker = disconnected.Exception is null || _adapters.Adapter?.Disconnected is not null;
            Close(_adapters.Adapter?.Disconnected is { } said
                ? $"Broker {options.Address} closed the connection: {Reason(said)}."
                : disconnected.Exception is null
                ? $"Broker {options.Address} closed the connection."
                : $"The connection to broker {options.Address} was lost: {Sentence(disconnected.Exception)}.");
            return Task.CompletedTask;
        };
        _client.ApplicationMessageReceivedAsync += TakeAsync;
    }

    public Func<MqttReceived, ValueTask<bool>>? Received { get; set; }

    public Func<string, bool>? Wants { get; set; }

    public long Dropped => _adapters.Adapter?.Received.Dropped ?? 0;

    public bool IsEndedByBroker { get; private set; }

    public Task<string> Closed => _closed.Task;

    /// <summary>Most bytes of a packet that the broker takes.</summary>
    private long PacketMaxBytes { get; set; } = long.MaxValue;

    public int ReceiveMaximum { get; private set; } = ushort.MaxValue;

    public async Task ConnectAsync(CancellationToken cancel)
    {
        // MQTTnet keeps its own time limit only where it is given no token.
        using CancellationTokenSource timed = TimeLimit(cancel);
        MqttClientConnectResult result;
        try
        {
            result = await _client.ConnectAsync(BuildOptions(), timed.Token).ConfigureAwait(false);
        }
        catch (InputException e)
        {
            throw new MqttRefusedException(e.Message);
        }
        catch (Exception e) when (timed.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            throw await HttpServerAsync(cancel).ConfigureAwait(false) is { } why ? new MqttLinkException(why, e) : NoAnswer(e);
        }
        catch (Exception) when (cancel.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancel);
        }
        catch (Exception e)
        {
            // Whatever a peer sends, MQTTnet may throw: none of it is more than a connection that failed.
            throw await ExplainAsync(e, cancel).ConfigureAwait(false);
        }

        if (result.ResultCode != MqttClientConnectResultCode.Success)
        {
            throw _options.Refused((int)result.ResultCode, result.ReasonString ?? result.ResultCode.ToString());
        }

        // MQTTnet gives 0 where a broker of MQTT 5 sets no maximum; section 3.2.2.3.3 then has it at 65,535.
        ReceiveMaximum = result.ReceiveMaximum is { } maximum and > 0 ? maximum : ushort.MaxValue;
        PacketMaxBytes = result.MaximumPacketSize is { } most and > 0 ? most : long.MaxValue;
        if (!result.RetainAvailable && _options.Version == MqttVersion.Five)
        {
            _options.Retain.TryTurnOff();
        }

        _adapter = _adapters.Adapter;
        _keepAlive = new KeepAlive(_adapter!, why => Close($"The connection to broker {_options.Address} was lost: {why}."));
    }

    public ValueTask SendAsync(MqttDelivery delivery)
    {
        LinkAdapter adapter = RequireOpen();
        MqttMessage message = delivery.Message;
        MqttPublishPacket packet = PublishPacket.Of(message, _options.Version);
        packet.Retain &= _options.Retain.IsOn;
        if (Refusal(packet) is { } refusal)
        {
            delivery.Settle(refusal);
            return ValueTask.CompletedTask;
        }

        if (message.QualityOfService > 0)
        {
            packet.PacketIdentifier = _unacknowledged.Add(delivery);
        }

        Task gathered = adapter.GatherAsync(packet);
        if (!gathered.IsCompletedSuccessfully)
        {
            return TakenAsync(gathered, delivery);
        }

        NoteTaken(delivery);
        return ValueTask.CompletedTask;
    }

    public async ValueTask FlushAsync()
    {
        LinkAdapter adapter = RequireOpen();
        try
        {
            await adapter.Channel.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLoss(e))
        {
            throw Lost(e);
        }
    }

    public async Task SubscribeAsync(string filter, CancellationToken cancel)
    {
        using CancellationTokenSource timed = TimeLimit(cancel);
        try
        {
            MqttClientSubscribeResult result = await _client
                .SubscribeAsync(
                    new MqttClientSubscribeOptionsBuilder().WithTopicFilter(filter, MqttQualityOfServiceLevel.AtLeastOnce).Build(),
                    timed.Token)
                .ConfigureAwait(false);
            if (result.Items.FirstOrDefault(item => (int)item.ResultCode >= 0x80) is { } refused)
            {
                throw new MqttRefusedException($"The broker refuses the subscription to '{filter}' ({refused.ResultCode}).");
            }
        }
        catch (MqttRefusedException)
        {
            throw;
        }
        catch (Exception) when (cancel.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancel);
        }
        catch (Exception e) when (timed.IsCancellationRequested)
        {
            throw NoAnswer(e);
        }
        catch (Exception e)
        {
            // An answer that makes no sense, or a lost connection.
            throw Lost(e);
        }
    }

    public async Task UnsubscribeAsync(string filter, CancellationToken cancel)
    {
        using CancellationTokenSource timed = TimeLimit(cancel);
        try
        {
            await _client
                .UnsubscribeAsync(new MqttClientUnsubscribeOptionsBuilder().WithTopicFilter(filter).Build(), timed.Token)
                .ConfigureAwait(false);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            throw Lost(e);
        }
    }

    public async Task DisconnectAsync()
    {
        try
        {
            await _client.DisconnectAsync(new MqttClientDisconnectOptionsBuilder().Build()).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLoss(e))
        {
            // It was already disconnected.
        }
    }

    public ValueTask DisposeAsync()
    {
        _keepAlive?.Dispose();
        _client.Dispose();
        Close("The link was disposed.");
        return ValueTask.CompletedTask;
    }

    private async ValueTask TakenAsync(Task gathered, MqttDelivery delivery)
    {
        try
        {
            await gathered.ConfigureAwait(false);
        }
        catch (Exception e) when (IsLoss(e))
        {
            throw Lost(e);
        }

        NoteTaken(delivery);
    }

    // QoS 0 has no acknowledgment: the message is settled when the link has it, and is sent before the next one.
    private static void NoteTaken(MqttDelivery delivery)
    {
        if (delivery.Message.QualityOfService == 0)
        {
            delivery.Settle();
        }
    }

    private LinkAdapter RequireOpen() => _closed.Task.IsCompleted ? throw new MqttLinkException(_closed.Task.Result)
        : _adapter ?? throw new MqttLinkException($"Broker {_options.Address} is not connected.");

    private void Close(string why)
    {
        _closed.TrySetResult(why);
        _unacknowledged.Lose(new MqttLinkException(_closed.Task.Result));
    }

    // The client acknowledges the message when this returns.
    private async Task TakeAsync(MqttApplicationMessageReceivedEventArgs received)
    {
        long bytes = received.ApplicationMessage.Payload.Length;
        try
        {
            await ProcessAsync(received).ConfigureAwait(false);
        }
        finally
        {
            _adapters.Adapter?.Received.Remove(bytes);
        }
    }

    private async Task ProcessAsync(MqttApplicationMessageReceivedEventArgs received)
    {
        if (_closed.Task.IsCompleted)
        {
            // Messages after one that was not accepted must not overtake it.
            received.AutoAcknowledge = false;
            return;
        }

        MqttApplicationMessage message = received.ApplicationMessage;
        if (Wants?.Invoke(message.Topic) == false)
        {
            received.ReasonCode = MqttApplicationMessageReceivedReasonCode.ImplementationSpecificError;
            return;
        }

        string why = "A message was not accepted.";
        try
        {
            var arrived = new MqttReceived(
                message.Topic,
                message.Payload.ToArray(),
                message.Retain,
                message.ResponseTopic,
                message.CorrelationData);
            if (Received is null || await Received(arrived).ConfigureAwait(false))
            {
                return;
            }
        }
        catch (Exception e)
        {
            why = $"A message on '{PrintableText.Of(message.Topic)}' could not be processed. "
                + $"This is a bug in edge-runtime ({e.GetType().Name}): {e.Message}";
        }

        received.AutoAcknowledge = false;
        Close(why);
    }

    private CancellationTokenSource TimeLimit(CancellationToken cancel)
    {
        var timed = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        timed.CancelAfter(_options.AnswerTimeoutMs);
        return timed;
    }

    // While MQTTnet closes a lost connection, calls may fail in many ways.
    private bool IsLoss(Exception e) => !_client.IsConnected
        || e is MqttCommunicationException or OperationCanceledException or ObjectDisposedException or IOException or SocketException;

    private MqttLinkException NoAnswer(Exception e) =>
        new($"Broker {_options.Address} did not answer within {_options.AnswerTimeoutMs / 1000.0:0.#} s.", e);

    private MqttLinkException Lost(Exception e) =>
        new($"The connection to broker {_options.Address} was lost: {Sentence(e)}.", e);

    // Checked here, because the client that would check it is passed by.
    private MqttRefusedException? Refusal(MqttPublishPacket packet)
    {
        if (packet.Topic.Length is 0 or > ushort.MaxValue || packet.Topic.AsSpan().IndexOfAny('#', '+', '\0') >= 0)
        {
            return new MqttRefusedException("this is not a topic.");
        }

        long bytes = PublishPacket.SizeOf(packet, _options.Version);
        return bytes > PacketMaxBytes
            ? new MqttRefusedException($"a message has {bytes} bytes, and the broker takes at most {PacketMaxBytes}.")
            : null;
    }

    private async Task<MqttLinkException> ExplainAsync(Exception e, CancellationToken cancel)
    {
        string? why = _options.Tls is { } tls
            ? await TlsDiagnosis.ExplainAsync(_options, tls, DateTimeOffset.UtcNow, cancel).ConfigureAwait(false)
            : null;
        if (why is null && _options.Version == MqttVersion.ThreeOneOne && e.GetBaseException() is not SocketException)
        {
            _options.Retain.Suspect();
        }

        if (why is null && e.GetBaseException() is not SocketException)
        {
            why = await HttpServerAsync(cancel).ConfigureAwait(false);
        }

        if (why is null && e.GetBaseException() is MqttProtocolViolationException)
        {
            string other = _options.WebSocketPath is null ? "If the port is for WebSockets, set mqtt.websocket; if" : "If";
            why = $"Broker {_options.Address} answers with something that is not MQTT. {other} it is for TLS, set mqtt.tls.";
        }

        return new MqttLinkException(why ?? $"Broker {_options.Address} cannot be reached: {Sentence(e)}.", e);
    }

    // Over TLS and WebSockets the peer has shown what it is.
    private async Task<string?> HttpServerAsync(CancellationToken cancel) => _options.Tls is null && _options.WebSocketPath is null
        ? await HttpDiagnosis.ExplainAsync(_options, cancel).ConfigureAwait(false)
        : null;

    private static string Reason(MqttDisconnectPacket said) => said.ReasonCode == MqttDisconnectReasonCode.SessionTakenOver
        ? "another client has connected with the same client id. Give each device its own name, or set mqtt.client_id"
        : $"{said.ReasonCode}{(string.IsNullOrEmpty(said.ReasonString) ? "" : $" ({PrintableText.Of(said.ReasonString)})")}";

    private static string Sentence(Exception e) => PrintableText.Of((e.InnerException ?? e).Message.TrimEnd('.'));
}
