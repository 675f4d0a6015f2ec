using Edge.Inference;
using Edge.Runtime.Mqtt;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Delivery;

/// <summary>
/// Delivers the outbox to the broker: connects, publishes <c>online</c>, keeps a window of unacknowledged messages in flight, sends
/// them again after a lost connection, and publishes <c>offline</c> at the end.
/// </summary>
/// <remarks>
/// Threads: everything runs in the one loop of <see cref="RunAsync"/>, so the fields need no lock. Two exceptions:
/// the callback for received messages runs on the thread of the link and only adds to the outbox, which has a lock;
/// <see cref="Delivered"/> and <see cref="IsConnected"/> may be read by any thread.
/// The link settles a message on its own thread. The loop sees that by <see cref="MqttDelivery.IsSettled"/>.
/// Promised order: messages are sent in the order of the outbox. After a lost connection, unacknowledged ones are sent
/// again first, in their old order. A delivery is reported to the store only when all messages before it are settled too.
/// So an acknowledged id never covers a message that was not sent.
/// </remarks>
internal sealed partial class Publisher
{
    // A broker that acknowledges nothing for this time counts as gone: a frozen broker keeps its connection open.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    // A connection that ends sooner does not count as a success: the waits between attempts keep growing.
    private static readonly TimeSpan SettledTime = TimeSpan.FromSeconds(5);
    private const int ShortLivesMax = 3;

    private readonly Outbox _outbox;
    private readonly Func<IMqttLink> _newLink;
    private readonly Announcements _announcements;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly TimeSpan _patience;
    private readonly Queue<MqttDelivery> _inFlight = new();
    private readonly List<MqttMessage> _unconfirmed = [];
    private readonly HashSet<string> _refusedTopics = [];
    private readonly Dictionary<string, MqttMessage> _retained = [];
    private readonly BlamedMessages _blamed;
    private readonly LogLimit _connectedLimit;
    private readonly LogLimit _lostLimit;
    private Queue<MqttMessage> _again = new();
    private MqttMessage? _lastStored;

    /// <param name="outbox">Messages to deliver.</param>
    /// <param name="newLink">Makes a link for each attempt to connect.</param>
    /// <param name="announcements">Messages about the device itself.</param>
    /// <param name="clock">Time.</param>
    /// <param name="log">Connections, and topics that the broker refuses.</param>
    /// <param name="patience">Time without an acknowledgment after which the broker counts as gone.</param>
    internal Publisher(
        Outbox outbox, Func<IMqttLink> newLink, Announcements announcements, TimeProvider clock, ILogger log, TimeSpan? patience = null)
    {
        _patience = patience ?? Patience;
        _outbox = outbox;
        _newLink = newLink;
        _announcements = announcements;
        _clock = clock;
        _log = log;
        _blamed = new BlamedMessages(clock);
        _connectedLimit = new LogLimit(clock, burst: 3);
        _lostLimit = new LogLimit(clock, burst: 3);
    }

    /// <summary>Messages that the broker has acknowledged (QoS 1) or the client has sent (QoS 0).</summary>
    internal long Delivered { get; private set; }

    /// <summary>Messages that the broker has refused, and that were dropped.</summary>
    internal long Refused { get; private set; }

    /// <summary>Whether the broker is connected.</summary>
    internal bool IsConnected { get; private set; }

    /// <summary>Runs until the outbox is complete and delivered.</summary>
    /// <exception cref="InputException">The broker refuses the first connection: a mistake in the configuration.</exception>
    internal async Task RunAsync(CancellationToken cancel)
    {
        bool wasConnected = false;
        bool saidUnreachable = false;
        int shortLives = 0;
        var backoff = new Backoff(Backoff.LinkMin, Backoff.LinkMax, _clock);
        while (true)
        {
            await using IMqttLink link = _newLink();
            long connectedAt = 0;
            try
            {
                await link.ConnectAsync(cancel).ConfigureAwait(false);
                if (_connectedLimit.Allows(out string more))
                {
                    _log.LogInformation("Connected to the broker{More}", more);
                }

                wasConnected = true;
                IsConnected = true;
                saidUnreachable = false;
                connectedAt = _clock.GetTimestamp();
                await ServeAsync(link, cancel).ConfigureAwait(false);
                return;
            }
            catch (MqttRefusedException e) when (!wasConnected)
            {
                throw new InputException(e.Message, e);
            }
            catch (Exception e) when (e is MqttLinkException or TimeoutException)
            {
                string why = e is TimeoutException ? $"The broker has not answered for {_patience.TotalSeconds:0.#} s." : e.Message;
                if (!saidUnreachable && _lostLimit.Allows(out string more))
                {
                    _log.LogWarning(
                        "{Reason} Retrying until it works. {Messages}{More}",
                        why,
                        Quantity.Of(_outbox.Count + _again.Count + _inFlight.Count, "message waits", "messages wait"),
                        more);
                    saidUnreachable = true;
                }

                if (e is not TimeoutException)
                {
                    NoteHangUp();
                }
            }
            finally
            {
                IsConnected = false;
                KeepUnacknowledged();
            }

            if (connectedAt != 0)
            {
                bool isShort = link.IsEndedByBroker && _clock.GetElapsedTime(connectedAt) < SettledTime;
                shortLives = isShort ? shortLives + 1 : 0;
                if (shortLives < ShortLivesMax)
                {
                    backoff.Reset();
                }
                else if (shortLives == ShortLivesMax)
                {
                    _log.LogWarning(
                        "The broker has ended {Count} connections within {Seconds} s each. "
                            + "If another device has the same name or client id, they throw each other out: "
                            + "rename one, or set mqtt.client_id. Attempts become rarer",
                        shortLives,
                        SettledTime.TotalSeconds);
                }
            }

            await backoff.WaitAsync(cancel).ConfigureAwait(false);
        }
    }

    // One connection, from its announcements to its end.
    private async Task ServeAsync(IMqttLink link, CancellationToken cancel)
    {
        await AnnounceAsync(link, _announcements.Online, cancel).ConfigureAwait(false);
        await AnnounceAsync(link, _announcements.Info(), cancel).ConfigureAwait(false);
        foreach (string topic in _announcements.Stale)
        {
            // An empty retained message removes the retained one.
            var nothing = new MqttMessage { Topic = topic, Payload = default, Class = MessageClass.Event, Retain = true };
            await AnnounceAsync(link, nothing, cancel).ConfigureAwait(false);
        }

        _announcements.Cleared?.Invoke();

        // A broker that has lost its retained messages gets them again.
        foreach (MqttMessage message in _retained.Values)
        {
            await AnnounceAsync(link, message, cancel).ConfigureAwait(false);
        }

        if (_announcements.Discovery is { } discovery)
        {
            await DescribeAsync(link, discovery, cancel).ConfigureAwait(false);
        }

        await PumpAsync(link, cancel).ConfigureAwait(false);
        if (await AnnounceAsync(link, _announcements.Offline, cancel).ConfigureAwait(false) && _lastStored is { } last)
        {
            // Its acknowledgment covers the messages of QoS 0 before it, too: the next start need not send them again.
            _outbox.Delivered(last);
        }

        await link.DisconnectAsync().WaitAsync(_patience, cancel).ConfigureAwait(false);
    }

    private static string HungUp(MqttMessage message) =>
        $"it has ended the connection twice after a message of {message.Payload.Length} bytes, without a reason.";

    private void NoteRefusal(MqttMessage message, string reason)
    {
        Refused++;
        SayRefusal(message, reason);
    }

    private void SayRefusal(MqttMessage message, string reason)
    {
        if (_refusedTopics.Add(message.Topic))
        {
            _log.LogError(
                "The broker refuses messages on '{Topic}': {Reason} These messages are dropped",
                PrintableText.Of(message.Topic),
                reason);
        }
    }

    // The broker ended the connection: perhaps because of the oldest message under way.
    private void NoteHangUp()
    {
        if (_inFlight.FirstOrDefault(delivery => !delivery.IsDelivered) is { } oldest && _blamed.NoteHangUp(oldest.Message))
        {
            // It is counted in its place, when it is sent again.
            SayRefusal(oldest.Message, HungUp(oldest.Message));
        }
    }

    private async Task PumpAsync(IMqttLink link, CancellationToken cancel)
    {
        int window = Math.Clamp(link.ReceiveMaximum, 1, WindowMax);
        while (true)
        {
            if (_birth.Task.IsCompleted)
            {
                Volatile.Write(ref _birth, NewSignal());
                Volatile.Write(ref _isBirthPending, 0);
                await PublishDescriptionsAsync(link, cancel).ConfigureAwait(false);
            }

            while (_again.TryDequeue(out MqttMessage? message) || _outbox.TryDequeue(out message))
            {
                await SendAsync(link, message!, window, cancel).ConfigureAwait(false);
            }

            await InTimeAsync(link.FlushAsync(), cancel).ConfigureAwait(false);
            Task<bool> more = _outbox.WaitAsync(cancel).AsTask();
            if (!more.IsCompleted)
            {
                await SettleAsync(link, 0, cancel).ConfigureAwait(false);
            }

            Task first = await Task.WhenAny(more, link.Closed, _birth.Task).ConfigureAwait(false);
            if (first == link.Closed)
            {
                throw new MqttLinkException(await link.Closed.ConfigureAwait(false));
            }

            if (first != more)
            {
                continue;
            }

            if (!await more.ConfigureAwait(false))
            {
                await SettleAsync(link, 0, cancel).ConfigureAwait(false);
                return;
            }
        }
    }
}
