using System.Buffers;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using MQTTnet;
using MQTTnet.Exceptions;
using MQTTnet.Formatter;
using MQTTnet.Protocol;

namespace Edge.Runtime.Mqtt.MqttNet;

/// <summary>MQTTnet 5.</summary>
internal sealed class MqttNetLink : IMqttLink
{
    private readonly MqttLinkOptions _options;
    private readonly IMqttClient _client = new MqttClientFactory().CreateMqttClient();
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal MqttNetLink(MqttLinkOptions options)
    {
        _options = options;
        _client.DisconnectedAsync += disconnected =>
        {
            _closed.TrySetResult(disconnected.Exception is null
                ? $"Broker {options.Host}:{options.Port} closed the connection: {disconnected.ReasonString ?? disconnected.Reason.ToString()}."
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
        catch (Exception e) when (e is MqttCommunicationException or MqttProtocolViolationException or CryptographicException or IOException)
        {
            string? why = _options.Tls is { } tls ? await TlsDiagnosis.ExplainAsync(_options, tls, DateTimeOffset.UtcNow, cancel).ConfigureAwait(false) : null;
            throw new MqttLinkException(why ?? $"Broker {_options.Host}:{_options.Port} cannot be reached: {Sentence(e)}.", e);
        }

        if (result.ResultCode != MqttClientConnectResultCode.Success)
        {
            throw _options.Refused((int)result.ResultCode, result.ReasonString ?? result.ResultCode.ToString());
        }

        ReceiveMaximum = result.ReceiveMaximum ?? ushort.MaxValue;
    }

    public async Task PublishAsync(MqttMessage message)
    {
        MqttApplicationMessageBuilder builder = new MqttApplicationMessageBuilder()
            .WithTopic(message.Topic)
            .WithPayloadSegment(message.Payload)
            .WithQualityOfServiceLevel((MqttQualityOfServiceLevel)message.QualityOfService)
            .WithRetainFlag(message.Retain);
        if (_options.Version == MqttVersion.Five)
        {
            AddProperties(builder, message);
        }

        MqttClientPublishResult result;
        try
        {
            result = await _client.PublishAsync(builder.Build()).ConfigureAwait(false);
        }
        catch (Exception e) when (IsLoss(e))
        {
            throw Lost(e);
        }

        if (!result.IsSuccess)
        {
            throw new MqttRefusedException($"{result.ReasonCode}.");
        }
    }

    public async Task SubscribeAsync(string filter, CancellationToken cancel)
    {
        using CancellationTokenSource timed = TimeLimit(cancel);
        try
        {
            MqttClientSubscribeResult result = await _client
                .SubscribeAsync(new MqttClientSubscribeOptionsBuilder().WithTopicFilter(filter, MqttQualityOfServiceLevel.AtLeastOnce).Build(), timed.Token)
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
            // It was gone already, which is what was wanted.
        }
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        _closed.TrySetResult("The link was disposed.");
        return ValueTask.CompletedTask;
    }

    // The client acknowledges when this has ended.
    private async Task TakeAsync(MqttApplicationMessageReceivedEventArgs received)
    {
        if (_closed.Task.IsCompleted)
        {
            // What came behind a message that was not taken must not overtake it.
            received.AutoAcknowledge = false;
            return;
        }

        MqttApplicationMessage message = received.ApplicationMessage;
        string why = "A message was not taken.";
        try
        {
            var arrived = new MqttReceived(message.Topic, message.Payload.ToArray(), message.Retain, message.ResponseTopic, message.CorrelationData);
            if (Received is null || await Received(arrived).ConfigureAwait(false))
            {
                return;
            }
        }
        catch (Exception e)
        {
            why = $"A message on '{message.Topic}' could not be taken: a bug of ours ({e.GetType().Name}): {e.Message}";
        }

        received.AutoAcknowledge = false;
        _closed.TrySetResult(why);
    }

    private CancellationTokenSource TimeLimit(CancellationToken cancel)
    {
        var timed = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        timed.CancelAfter(_options.AnswerTimeoutMs);
        return timed;
    }

    // While MQTTnet takes a lost connection down, calls may fail at whatever is gone first.
    private bool IsLoss(Exception e) => e is MqttCommunicationException or OperationCanceledException or ObjectDisposedException or IOException || !_client.IsConnected;

    private MqttLinkException NoAnswer(Exception e) => new($"Broker {_options.Host}:{_options.Port} did not answer within {_options.AnswerTimeoutMs / 1000.0:0.#} s.", e);

    private MqttLinkException Lost(Exception e) => new($"The connection to broker {_options.Host}:{_options.Port} was lost: {Sentence(e)}.", e);

    private static void AddProperties(MqttApplicationMessageBuilder builder, MqttMessage message)
    {
        if (message.ContentType is not null)
        {
            builder.WithContentType(message.ContentType);
        }

        if (message.ExpirySeconds is { } expiry)
        {
            builder.WithMessageExpiryInterval(expiry);
        }

        if (message.CorrelationData.Length > 0)
        {
            builder.WithCorrelationData(message.CorrelationData.ToArray());
        }

        foreach ((string name, string value) in message.UserProperties)
        {
            builder.WithUserProperty(name, Encoding.UTF8.GetBytes(value));
        }
    }

    private MqttClientOptions BuildOptions()
    {
        MqttClientOptionsBuilder builder = new MqttClientOptionsBuilder()
            .WithProtocolVersion(_options.Version == MqttVersion.Five ? MqttProtocolVersion.V500 : MqttProtocolVersion.V311)
            .WithTcpServer(_options.Host, _options.Port)
            .WithClientId(_options.ClientId)
            .WithCleanStart(_options.SessionSeconds == 0)
            .WithSessionExpiryInterval(_options.Version == MqttVersion.Five ? _options.SessionSeconds : 0)
            .WithTimeout(TimeSpan.FromMilliseconds(_options.AnswerTimeoutMs))
            .WithKeepAlivePeriod(TimeSpan.FromSeconds(_options.KeepAliveSeconds));
        if (_options.Username is not null)
        {
            builder.WithCredentials(_options.Username, _options.Password ?? "");
        }

        if (_options.Will is { } will)
        {
            builder.WithWillTopic(will.Topic)
                .WithWillPayload(will.Payload.ToArray())
                .WithWillQualityOfServiceLevel((MqttQualityOfServiceLevel)will.QualityOfService)
                .WithWillRetain(will.Retain);
        }

        if (_options.Tls is { } tls)
        {
            builder.WithTlsOptions(BuildTls(tls));
        }

        return builder.Build();
    }

    private MqttClientTlsOptions BuildTls(TlsOptions tls)
    {
        MqttClientTlsOptionsBuilder builder = new MqttClientTlsOptionsBuilder()
            .UseTls()
            .WithTargetHost(_options.Host)
            .WithSslProtocols(SslProtocols.Tls12 | SslProtocols.Tls13)
            .WithRevocationMode(X509RevocationMode.NoCheck);
        if (tls.CaFile is { } caFile)
        {
            var trusted = new X509Certificate2Collection();
            trusted.ImportFromPemFile(caFile);
            builder.WithCertificateValidationHandler(validation => IsTrusted(validation, trusted));
        }

        if (tls.CertificateFile is not null)
        {
            builder.WithClientCertificates([X509Certificate2.CreateFromPemFile(tls.CertificateFile, tls.KeyFile)]);
        }

        return builder.Build();
    }

    // Trusts what the configured CA has signed and nothing else; the name must fit in any case.
    private static bool IsTrusted(MqttClientCertificateValidationEventArgs validation, X509Certificate2Collection trusted)
    {
        if (validation.Certificate is null || (validation.SslPolicyErrors & ~SslPolicyErrors.RemoteCertificateChainErrors) != SslPolicyErrors.None)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(trusted);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build(new X509Certificate2(validation.Certificate));
    }

    private static string Sentence(Exception e) => (e.InnerException ?? e).Message.TrimEnd('.');
}
