using Edge.Inference;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// The connection over which topics arrive, readings and commands: its own, so that what is published and what is received never wait for
/// each other. It connects at the first subscription, and again with backoff whenever it is lost. A topic that the broker refuses is tried
/// again every minute; the others continue.
/// </summary>
internal sealed class MqttSubscriber : IDisposable
{
    private const string SharedPrefix = "$share/";
    private static readonly TimeSpan RefusedRetry = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan EndWait = TimeSpan.FromSeconds(2);

    // A connection that lives for a shorter time does not count as a success: the waits between attempts keep growing.
    private static readonly TimeSpan SettledTime = TimeSpan.FromSeconds(5);

    private readonly Func<IMqttLink> _newLink;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly LogLimit _lostLimit;
    private readonly LogLimit _refusedLimit;
    private readonly LogLimit _unwantedLimit;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, List<Func<MqttReceived, ValueTask<bool>>>> _feeds = [];
    private readonly CancellationTokenSource _stop = new();
    private IMqttLink? _link;
    private Task? _running;
    private long _droppedBefore;

    internal MqttSubscriber(Func<IMqttLink> newLink, TimeProvider clock, ILogger log)
    {
        _newLink = newLink;
        _clock = clock;
        _log = log;
        _lostLimit = new LogLimit(clock, burst: 3);
        _refusedLimit = new LogLimit(clock, burst: 3);
        _unwantedLimit = new LogLimit(clock, burst: 3);
    }

    /// <summary>Messages of QoS 0 that arrived faster than they could be processed and were dropped.</summary>
    internal long Dropped
    {
        get
        {
            lock (_gate)
            {
                return _droppedBefore + (_link?.Dropped ?? 0);
            }
        }
    }

    /// <summary>Passes the messages of a topic to a handler, on the thread of the link.</summary>
    /// <returns>What ends that when disposed.</returns>
    internal IDisposable Subscribe(string topic, Action<MqttReceived> feed) => Subscribe(topic, message =>
    {
        feed(message);
        return new ValueTask<bool>(true);
    });

    /// <summary>
    /// Passes the messages of a topic to a handler, each when the handler has accepted the one before: <see cref="IMqttLink.Received"/>.
    /// </summary>
    /// <param name="filter">A topic, or a shared subscription to one (<c>$share/GROUP/TOPIC</c>).</param>
    /// <param name="feed">The handler.</param>
    /// <returns>What ends that when disposed.</returns>
    internal IDisposable Subscribe(string filter, Func<MqttReceived, ValueTask<bool>> feed)
    {
        IMqttLink? link = null;
        lock (_gate)
        {
            if (!_feeds.TryGetValue(filter, out List<Func<MqttReceived, ValueTask<bool>>>? feeds))
            {
                _feeds[filter] = feeds = [];
                link = _link;
            }

            feeds.Add(feed);
            _running ??= Task.Run(RunAsync);
        }

        if (link is not null)
        {
            // If this fails, the connection is gone and the next one subscribes to everything.
            _ = link.SubscribeAsync(filter, _stop.Token)
                .ContinueWith(static failed => failed.Exception, TaskContinuationOptions.OnlyOnFaulted);
        }

        return new Subscription(this, filter, feed);
    }

    /// <summary>Ends the connection. Never throws, whatever the peer does.</summary>
    public void Dispose()
    {
        if (_stop.IsCancellationRequested)
        {
            return;
        }

        _stop.Cancel();
        _running?.ContinueWith(static ended => ended.Exception, TaskScheduler.Default).Wait(EndWait);
        _stop.Dispose();
    }

    /// <summary>The topic on which the messages of a filter arrive.</summary>
    internal static string TopicOf(string filter)
    {
        int end = filter.StartsWith(SharedPrefix, StringComparison.Ordinal) ? filter.IndexOf('/', SharedPrefix.Length) : -1;
        return end < 0 ? filter : filter[(end + 1)..];
    }

    private async Task RunAsync()
    {
        var backoff = new Backoff(Backoff.LinkMin, Backoff.LinkMax, _clock);
        bool isSaid = false;
        while (!_stop.IsCancellationRequested)
        {
            string why;
            try
            {
                IMqttLink link = _newLink();
                await using (link.ConfigureAwait(false))
                {
                    link.Received = DispatchAsync;
                    link.Wants = topic => IsWanted(link, topic);
                    await link.ConnectAsync(_stop.Token).ConfigureAwait(false);
                    long connectedAt = _clock.GetTimestamp();
                    why = await ServeAsync(link, isSaid).ConfigureAwait(false);
                    isSaid = false;
                    if (!link.IsEndedByBroker || _clock.GetElapsedTime(connectedAt) >= SettledTime)
                    {
                        backoff.Reset();
                    }
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (MqttLinkException e)
            {
                why = e.Message;
            }
            catch (Exception e)
            {
                why = $"This is a bug in edge-runtime ({e.GetType().Name}): {PrintableText.Of(e.Message)}";
            }
            finally
            {
                lock (_gate)
                {
                    _droppedBefore += _link?.Dropped ?? 0;
                    _link = null;
                }
            }

            if (!isSaid && _lostLimit.Allows(out string more))
            {
                isSaid = true;
                _log.LogWarning("Topics over MQTT: {Why} Retrying{More}", why, more);
            }

            try
            {
                await backoff.WaitAsync(_stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    // Subscribes to all topics and stays until the connection is lost.
    private async Task<string> ServeAsync(IMqttLink link, bool wasSaid)
    {
        string[] filters;
        lock (_gate)
        {
            _link = link;
            filters = [.. _feeds.Keys];
        }

        List<string> refused = await SubscribeAsync(link, filters).ConfigureAwait(false);
        if (wasSaid)
        {
            _log.LogInformation("Topics over MQTT: connected again");
        }

        while (refused.Count > 0)
        {
            using var waited = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            var wait = Task.Delay(RefusedRetry, _clock, waited.Token);
            if (await Task.WhenAny(link.Closed, wait).ConfigureAwait(false) != wait)
            {
                await waited.CancelAsync().ConfigureAwait(false);
                break;
            }

            _stop.Token.ThrowIfCancellationRequested();
            refused = await SubscribeAsync(link, refused).ConfigureAwait(false);
        }

        return await link.Closed.WaitAsync(_stop.Token).ConfigureAwait(false);
    }

    // Returns those that the broker refuses.
    private async Task<List<string>> SubscribeAsync(IMqttLink link, IReadOnlyList<string> filters)
    {
        var refused = new List<string>();
        foreach (string filter in filters)
        {
            try
            {
                await link.SubscribeAsync(filter, _stop.Token).ConfigureAwait(false);
            }
            catch (MqttRefusedException e)
            {
                refused.Add(filter);
                if (_refusedLimit.Allows(out string more))
                {
                    _log.LogError("{Why} It is tried again every minute; the other topics continue{More}", e.Message, more);
                }
            }
        }

        return refused;
    }

    // A session may still have a subscription of an earlier configuration: it is ended.
    private bool IsWanted(IMqttLink link, string topic)
    {
        lock (_gate)
        {
            if (_feeds.Keys.Any(filter => TopicOf(filter) == topic))
            {
                return true;
            }
        }

        if (_unwantedLimit.Allows(out string more))
        {
            _log.LogWarning("Topic '{Topic}': a message came that no stream reads. It is refused{More}", PrintableText.Of(topic), more);
        }

        _ = link.UnsubscribeAsync(topic, _stop.Token)
            .ContinueWith(static failed => failed.Exception, TaskContinuationOptions.OnlyOnFaulted);
        return false;
    }

    /// <summary>Hands a message to those who want its topic.</summary>
    /// <returns>Whether all of them have taken it.</returns>
    internal async ValueTask<bool> DispatchAsync(MqttReceived message)
    {
        Func<MqttReceived, ValueTask<bool>>[] feeds;
        lock (_gate)
        {
            feeds = [.. _feeds.Where(feed => TopicOf(feed.Key) == message.Topic).SelectMany(feed => feed.Value)];
        }

        bool isTaken = true;
        foreach (Func<MqttReceived, ValueTask<bool>> feed in feeds)
        {
            isTaken &= await feed(message).ConfigureAwait(false);
        }

        return isTaken;
    }

    private sealed class Subscription(MqttSubscriber input, string filter, Func<MqttReceived, ValueTask<bool>> feed) : IDisposable
    {
        public void Dispose()
        {
            lock (input._gate)
            {
                input._feeds[filter].Remove(feed);
            }
        }
    }
}
