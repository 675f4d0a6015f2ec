using Edge.Inference;

namespace Edge.Runtime.Mqtt;

/// <summary>Broker, credentials, client id and last will of one link.</summary>
internal sealed record MqttLinkOptions
{
    public required string Host { get; init; }

    public required int Port { get; init; }

    public MqttVersion Version { get; init; }

    /// <summary>Path of the broker's WebSocket, such as <c>/mqtt</c>; null for plain TCP.</summary>
    public string? WebSocketPath { get; init; }

    /// <summary>Whether the broker takes retained messages; shared by the links of one broker.</summary>
    public RetainSupport Retain { get; init; } = new(RetainMode.Auto);

    public required string ClientId { get; init; }

    public string? Username { get; init; }

    public string? Password { get; init; }

    public TlsOptions? Tls { get; init; }

    /// <summary>Last will: the message that the broker publishes if this client is lost.</summary>
    public MqttMessage? Will { get; init; }

    /// <summary>
    /// Seconds for which the broker keeps subscriptions, and what comes on them, for a link that is gone; 0 for a clean session.
    /// </summary>
    public uint SessionSeconds { get; init; }

    /// <summary>Keep-alive time in seconds, 5..65535.</summary>
    public int KeepAliveSeconds { get; init; } = 15;

    /// <summary>Longest wait for the broker's answer to a connect or a subscription.</summary>
    public int AnswerTimeoutMs { get; init; } = 10_000;

    /// <summary>Where the broker is, for a sentence.</summary>
    internal string Address => $"{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}";

    // "Unacceptable protocol version" of MQTT 3.1.1, section 3.2.2.3, and "unsupported protocol version" of 5, section 3.2.2.2.
    private const int UnacceptableVersion = 0x01;
    private const int UnsupportedVersion = 0x84;

    // Return codes of MQTT 3.1.1, section 3.2.2.3, and reason codes of 5, section 3.2.2.2.
    private const int IdentifierRejected = 0x02;
    private const int Unavailable = 0x03;
    private const int BadCredentials = 0x04;
    private const int NotAuthorized = 0x05;
    private const int ClientIdNotValid = 0x85;
    private const int BadCredentialsFive = 0x86;
    private const int NotAuthorizedFive = 0x87;
    private const int UnavailableFive = 0x88;
    private const int Busy = 0x89;
    private const int RetainNotSupported = 0x9A;
    private const int RateExceeded = 0x9F;

    /// <summary>The broker refused the connection.</summary>
    /// <param name="code">
    /// Its return code (MQTT 3.1.1, 1..5) or reason code (5, from 0x80): brokers of either version answer in their own way.
    /// </param>
    /// <param name="reason">The same in words.</param>
    /// <returns>A refusal, or a failure that a later attempt may mend.</returns>
    internal MqttLinkException Refused(int code, string reason)
    {
        reason = PrintableText.Of(reason);
        if (code is UnacceptableVersion or UnsupportedVersion)
        {
            string advice = Version == MqttVersion.Five ? "5. Set mqtt.version: 3.1.1." : "3.1.1. Set mqtt.version: 5.";
            return new MqttRefusedException($"Broker {Address} does not speak MQTT {advice}");
        }

        string user = Username is null ? "" : $" of user '{Username}'";
        if (code is Unavailable or UnavailableFive or Busy or RateExceeded)
        {
            return new MqttLinkException($"Broker {Address} takes no connection now: {reason}.");
        }

        if (code == RetainNotSupported)
        {
            return Retain.TryTurnOff()
                ? new MqttLinkException($"Broker {Address} takes no retained messages. From now on none is retained.")
                : new MqttRefusedException($"Broker {Address} takes no retained messages. Set mqtt.retain: false or auto.");
        }

        string mend = code switch
        {
            BadCredentials or BadCredentialsFive or NotAuthorized or NotAuthorizedFive => " Check mqtt.username and mqtt.password.",
            IdentifierRejected or ClientIdNotValid => $" Set mqtt.client_id to an id that it takes; it was '{ClientId}'.",
            _ => "",
        };
        return new MqttRefusedException($"Broker {Address} refuses the connection{user}: {reason}.{mend}");
    }
}

/// <summary>A message that arrived.</summary>
/// <param name="Topic">Where.</param>
/// <param name="Payload">What.</param>
/// <param name="Retain">Whether the broker had kept it from before.</param>
/// <param name="ResponseTopic">Where an answer is wanted, or null.</param>
/// <param name="CorrelationData">What the answer is to carry; empty for nothing.</param>
internal readonly record struct MqttReceived(
    string Topic, ReadOnlyMemory<byte> Payload, bool Retain, string? ResponseTopic = null, ReadOnlyMemory<byte> CorrelationData = default);

/// <summary>The broker cannot be reached, or the connection was lost. A retry may help.</summary>
internal class MqttLinkException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The broker refused. A retry with the same settings will not help.</summary>
internal sealed class MqttRefusedException(string message) : MqttLinkException(message);

/// <summary>
/// One connection to an MQTT broker, from connect to disconnect; a new link for each attempt. Publishing may be done from
/// one thread at a time and does not wait for earlier messages.
/// </summary>
internal interface IMqttLink : IAsyncDisposable
{
    /// <summary>Connects with the will, into the session that is kept under the client's id if there is to be one.</summary>
    /// <exception cref="MqttRefusedException">The broker refuses (credentials, authorization, protocol).</exception>
    /// <exception cref="MqttLinkException">The broker cannot be reached.</exception>
    Task ConnectAsync(CancellationToken cancel);

    /// <summary>
    /// Takes a message, in order, and numbers it. It goes out with the next <see cref="FlushAsync"/>, or sooner if many wait. It settles
    /// when the broker has acknowledged it (QoS 1) or the link has taken it (QoS 0). This waits only for a connection that takes no bytes.
    /// </summary>
    /// <exception cref="MqttLinkException">The connection is lost.</exception>
    ValueTask SendAsync(MqttDelivery delivery);

    /// <summary>Sends the gathered messages with one write.</summary>
    /// <exception cref="MqttLinkException">The connection is lost.</exception>
    ValueTask FlushAsync();

    /// <summary>Sends one message at once. The task ends when it is settled.</summary>
    /// <exception cref="MqttRefusedException">The broker refuses the message.</exception>
    /// <exception cref="MqttLinkException">The connection was lost first.</exception>
    async Task PublishAsync(MqttMessage message)
    {
        var delivery = new MqttDelivery(message);
        await SendAsync(delivery).ConfigureAwait(false);
        await FlushAsync().ConfigureAwait(false);
        await delivery.SettledAsync().ConfigureAwait(false);
    }

    /// <summary>Subscribes at QoS 1.</summary>
    /// <exception cref="MqttLinkException">The connection was lost, or the broker refuses the filter.</exception>
    Task SubscribeAsync(string filter, CancellationToken cancel);

    /// <summary>
    /// Takes the messages that arrive, one at a time. A message is acknowledged when it has been taken; one that is not (false) closes
    /// the link, and the broker sends it again to the next link of the session.
    /// </summary>
    Func<MqttReceived, ValueTask<bool>>? Received { get; set; }

    /// <summary>Unsubscribes from a filter that nothing here wants any more.</summary>
    /// <exception cref="MqttLinkException">The connection was lost.</exception>
    Task UnsubscribeAsync(string filter, CancellationToken cancel);

    /// <summary>
    /// Whether anything here wants a topic; null if everything is wanted. A message that nothing wants is refused with a reason code
    /// (MQTT 5), not acknowledged as taken.
    /// </summary>
    Func<string, bool>? Wants { get; set; }

    /// <summary>Messages of QoS 0 that arrived faster than they could be processed and were dropped.</summary>
    long Dropped { get; }

    /// <summary>Whether the broker ended the connection in an orderly way, as for a client id that another client uses too.</summary>
    bool IsEndedByBroker { get; }

    /// <summary>Completes with the reason when the connection is lost.</summary>
    Task<string> Closed { get; }

    /// <summary>Largest number of unacknowledged QoS 1 messages that the broker allows.</summary>
    int ReceiveMaximum { get; }

    /// <summary>Disconnects cleanly, so that the broker discards the last will.</summary>
    Task DisconnectAsync();
}
