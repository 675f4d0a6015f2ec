using System.Buffers;
using System.Net.Sockets;
using System.Security.Cryptography;
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
            Close(disconnected.Exception is null
                ? $"Broker {options.Host}:{options.Port} closed the connection: "
                    + $"{disconnected.ReasonString ?? disconnected.Reason.ToString()}."
                : $"The connection to broker {options.Host}:{options.Port} was lost: {Sentence(disconnected.Exception)}.");
            return Task.CompletedTask;
        };
        _client.ApplicationMessageReceivedAsync += TakeAsync;
    }

    public Func<MqttReceived, ValueTask<bool>>? Received { get; set; }

    public Task<string> Closed => _closed.Task;

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
        catch (Exception e) when (timed.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            throw NoAnswer(e);
        }
        catch (Exception e) when (e is MqttCommunicationException or MqttProtocolViolationException
            or CryptographicException or IOException)
        {
            string? why = _options.Tls is { } tls
                ? await TlsDiagnosis.ExplainAsync(_options, tls, DateTimeOffset.UtcNow, cancel).ConfigureAwait(false)
                : null;
            throw new MqttLinkException(why ?? $"Broker {_options.Host}:{_options.Port} cannot be reached: {Sentence(e)}.", e);
        }

        if (result.ResultCode != MqttClientConnectResultCode.Success)
        {
            throw _options.Refused((int)result.ResultCode, result.ReasonString ?? result.ResultCode.ToString());
        }


        // MQTTnet gives 0 where a broker of MQTT 5 sets no maximum; section 3.2.2.3.3 then has it at 65,535.
        ReceiveMaximum = result.ReceiveMaximum is { } maximum and > 0 ? maximum : ushort.MaxValue;
        _adapter = _adapters.Adapter;
        _keepAlive = new KeepAlive(_adapter!, why => Close($"The connection to broker {_options.Host}:{_options.Port} was lost: {why}."));
    }

    public ValueTask SendAsync(MqttDelivery delivery)
    {
        LinkAdapter adapter = RequireOpen();
        MqttMessage message = delivery.Message;
        MqttPublishPacket packet = PublishPacket.Of(message, _options.Version);
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
            if (result.Items.Any(item => (int)item.ResultCode >= 0x80))
            {
                throw new MqttRefusedException("The broker refuses the subscription.");
            }
        }
        catch (Exception e) when (timed.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            throw NoAnswer(e);
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && IsLoss(e))
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
        : _adapter ?? throw new MqttLinkException($"Broker {_options.Host}:{_options.Port} is not connected.");

    private void Close(string why)
    {
        _closed.TrySetResult(why);
        _unacknowledged.Lose(new MqttLinkException(_closed.Task.Result));
    }

    // The client acknowledges the message when this returns.
    private async Task TakeAsync(MqttApplicationMessageReceivedEventArgs received)
    {
        if (_closed.Task.IsCompleted)
        {
            // Messages after one that was not accepted must not overtake it.
            received.AutoAcknowledge = false;
            return;
        }

        MqttApplicationMessage message = received.ApplicationMessage;
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
            why = $"A message on '{message.Topic}' could not be processed. This is a bug in edge-runtime ({e.GetType().Name}): {e.Message}";
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
        new($"Broker {_options.Host}:{_options.Port} did not answer within {_options.AnswerTimeoutMs / 1000.0:0.#} s.", e);

    private MqttLinkException Lost(Exception e) =>
        new($"The connection to broker {_options.Host}:{_options.Port} was lost: {Sentence(e)}.", e);

    private static string Sentence(Exception e) => (e.InnerException ?? e).Message.TrimEnd('.');
}
