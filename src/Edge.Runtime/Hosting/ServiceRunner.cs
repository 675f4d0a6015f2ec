using Edge.Runtime.Configuration;
using Edge.Runtime.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>
/// Runs the service as systemd wants it: says when it is ready, what it does and that it is alive, and reads the configuration
/// again on SIGHUP. The watchdog is fed only while every stream really ticks.
/// </summary>
internal sealed class ServiceRunner(string configPath, ServiceNotifier notifier, StopSignal signals, TimeProvider clock, ILogger log)
{
    private static readonly TimeSpan StatusEvery = TimeSpan.FromSeconds(10);

    private CancellationTokenSource? _running;
    private EdgeConfig? _next;

    /// <summary>Runs until every source has ended or a signal says stop.</summary>
    /// <returns>Whether every stream ended well.</returns>
    /// <exception cref="InputException">The configuration has mistakes.</exception>
    internal async Task<bool> RunAsync()
    {
        EdgeConfig? config = ConfigFile.Load(configPath);
        bool endedWell = true;
        signals.ReloadRequested = Reload;
        while (config is not null)
        {
            using var service = new EdgeService(config, clock, log);
            using var running = CancellationTokenSource.CreateLinkedTokenSource(signals.Token);
            _next = null;
            Volatile.Write(ref _running, running);
            Task watching = WatchAsync(service, running.Token);
            endedWell = await service.RunAsync(running.Token).ConfigureAwait(false);
            Volatile.Write(ref _running, null);
            log.LogInformation("Delivered {Count} messages", service.Publisher.Delivered);
            await running.CancelAsync().ConfigureAwait(false);
            await watching.ConfigureAwait(false);
            config = signals.Token.IsCancellationRequested ? null : _next;
        }

        notifier.Stopping();
        return endedWell;
    }

    // A broken configuration is refused, and what runs goes on. A good one is taken over by stopping and starting: streams that
    // are unchanged go on where their state stands.
    private void Reload()
    {
        try
        {
            EdgeConfig config = ConfigFile.Load(configPath);
            notifier.Reloading();
            log.LogInformation("The configuration was read again and is taken over");
            _next = config;
            Volatile.Read(ref _running)?.Cancel();
        }
        catch (InputException e)
        {
            log.LogError("The configuration was read again and is not taken over, the old one goes on: {Message}", e.Message);
        }
        catch (ObjectDisposedException)
        {
            // It was ending anyway.
        }
    }

    private async Task WatchAsync(EdgeService service, CancellationToken stop)
    {
        notifier.Ready(Status(service));
        TimeSpan interval = notifier.WatchdogInterval is { } watchdog && watchdog / 2 < StatusEvery ? watchdog / 2 : StatusEvery;
        try
        {
            while (true)
            {
                SensorStream? late = service.Streams.FirstOrDefault(stream => !stream.IsAlive);
                if (late is null)
                {
                    notifier.Alive();
                }

                notifier.Status(late is null ? Status(service) : $"stream {late.Name} does not tick");
                await Task.Delay(interval, clock, stop).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The service has ended.
        }
    }

    private static string Status(EdgeService service) =>
        $"{service.Streams.Count} streams, {service.Streams.Sum(stream => stream.Health.Ticks)} ticks, {service.Streams.Count(stream => stream.Detector.IsOpen)} anomalies open, {service.Publisher.Delivered} messages delivered, {service.Waiting} waiting";
}
