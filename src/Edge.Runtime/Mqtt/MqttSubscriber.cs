using Edge.Runtime.Payloads;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Mqtt;

/// <summary>
/// The connection over which topics arrive, readings and commands: its own, so that what is published and what is received never wait for
/// each other. It connects at the first subscription, and again with backoff whenever it is lost.
/// </summary>
internal sealed class MqttSubscriber : IDisposable
{
    private readonly Func<IMqttLink> _newLink;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, List<Func<MqttReceived, ValueTask<bool>>>> _feeds = [];
    private readonly CancellationTokenSource _stop = new();
    private IMqttLink? _link;
    private Task? _running;

    internal MqttSubscriber(Func<IMqttLink> newLink, TimeProvider clock, ILogger log)
    {
        _newLink = newLink;
        _clock = clock;
        _log = log;
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
    /// <returns>What ends that when disposed.</returns>
    internal IDisposable Subscribe(string topic, Func<MqttReceived, ValueTask<bool>> feed)
    {
        IMqttLink? link = null;
        lock (_gate)
        {
            if (!_feeds.TryGetValue(topic, out List<Func<MqttReceived, ValueTask<bool>>>? feeds))
            {
                _feeds[topic] = feeds = [];
                link = _link;
            }

            feeds.Add(feed);
            _running ??= Task.Run(RunAsync);
        }

        if (link is not null)
        {
            // If this fails, the connection is gone and the next one subscribes to everything.
            _ = link.SubscribeAsync(topic, _stop.Token)
                .ContinueWith(static failed => failed.Exception, TaskContinuationOptions.OnlyOnFaulted);
        }

        return new Subscription(this, topic, feed);
    }

    public void Dispose()
    {
        if (_stop.IsCancellationRequested)
        {
            return;
        }

        _stop.Cancel();
        _running?.Wait(TimeSpan.FromSeconds(2));
        _stop.Dispose();
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
                    await link.ConnectAsync(_stop.Token).ConfigureAwait(false);
                    await SubscribeAllAsync(link).ConfigureAwait(false);
                    if (isSaid)
                    {
                        _log.LogInformation("Topics over MQTT: connected again");
                    }

                    isSaid = false;
                    backoff.Reset();
                    why = await link.Closed.WaitAsync(_stop.Token).ConfigureAwait(false);
                }
            }
            catch (MqttLinkException e)
            {
                why = e.Message;
            }
            catch (OperationCanceledException)
            {
                return;
            }
            finally
            {
                lock (_gate)
                {
                    _link = null;
                }
            }

            if (!isSaid)
            {
                isSaid = true;
                _log.LogWarning("Topics over MQTT: {Why} Retrying", why);
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

    private async Task SubscribeAllAsync(IMqttLink link)
    {
        string[] topics;
        lock (_gate)
        {
            _link = link;
            topics = [.. _feeds.Keys];
        }

        foreach (string topic in topics)
        {
            await link.SubscribeAsync(topic, _stop.Token).ConfigureAwait(false);
        }
    }

    /// <summary>Hands a message to those who want its topic.</summary>
    /// <returns>Whether all of them have taken it.</returns>
    internal async ValueTask<bool> DispatchAsync(MqttReceived message)
    {
        Func<MqttReceived, ValueTask<bool>>[] feeds;
        lock (_gate)
        {
            feeds = _feeds.TryGetValue(message.Topic, out List<Func<MqttReceived, ValueTask<bool>>>? found) ? [.. found] : [];
        }

        bool isTaken = true;
        foreach (Func<MqttReceived, ValueTask<bool>> feed in feeds)
        {
            isTaken &= await feed(message).ConfigureAwait(false);
        }

        return isTaken;
    }

    private sealed class Subscription(MqttSubscriber input, string topic, Func<MqttReceived, ValueTask<bool>> feed) : IDisposable
    {
        public void Dispose()
        {
            lock (input._gate)
            {
                input._feeds[topic].Remove(feed);
            }
        }
    }
}
