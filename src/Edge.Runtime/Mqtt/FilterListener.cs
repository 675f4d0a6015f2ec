using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Mqtt;

/// <summary>Listens to topic filters, wildcards included, and connects again with backoff whenever the connection is lost.</summary>
/// <param name="newLink">Makes a link.</param>
/// <param name="filters">What it subscribes to.</param>
/// <param name="received">Takes each message, on the thread of the link.</param>
/// <param name="clock">Time.</param>
/// <param name="log">Lost connections.</param>
internal sealed class FilterListener(
    Func<IMqttLink> newLink, IReadOnlyList<string> filters, Action<MqttReceived> received, TimeProvider clock, ILogger log)
{
    private readonly LogLimit _lostLimit = new(clock, burst: 3);

    /// <summary>Whether it is connected and subscribed.</summary>
    internal bool IsConnected { get; private set; }

    /// <summary>Listens until it is canceled.</summary>
    /// <exception cref="MqttRefusedException">The broker refuses the credentials or a filter.</exception>
    internal async Task RunAsync(CancellationToken stop)
    {
        var backoff = new Backoff(Backoff.LinkMin, Backoff.LinkMax, clock);
        while (!stop.IsCancellationRequested)
        {
            string why;
            try
            {
                IMqttLink link = newLink();
                await using (link.ConfigureAwait(false))
                {
                    link.Received = message =>
                    {
                        received(message);
                        return new ValueTask<bool>(true);
                    };
                    await link.ConnectAsync(stop).ConfigureAwait(false);
                    foreach (string filter in filters)
                    {
                        await link.SubscribeAsync(filter, stop).ConfigureAwait(false);
                    }

                    IsConnected = true;
                    log.LogInformation("Connected to the broker");
                    backoff.Reset();
                    why = await link.Closed.WaitAsync(stop).ConfigureAwait(false);
                }
            }
            catch (MqttLinkException e) when (e is not MqttRefusedException)
            {
                why = e.Message;
            }
            finally
            {
                IsConnected = false;
            }

            if (_lostLimit.Allows(out string more))
            {
                log.LogWarning("{Why} Retrying{More}", why, more);
            }

            await backoff.WaitAsync(stop).ConfigureAwait(false);
        }
    }
}
