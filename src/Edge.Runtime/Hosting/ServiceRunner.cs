using Edge.Inference;
using Edge.Runtime.Configuration;
using Edge.Runtime.Delivery;
using Edge.Streams;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Hosting;

/// <summary>
/// Runs the service under systemd: notifies that it is ready, its status and that it is alive, and reads the configuration again on
/// SIGHUP. It notifies the watchdog only while every stream ticks.
/// </summary>
internal sealed class ServiceRunner(string configPath, ServiceNotifier notifier, StopSignal signals, TimeProvider clock, ILogger log)
{
    private static readonly TimeSpan StatusEvery = TimeSpan.FromSeconds(10);

    // After it, most of what only the start needs has run.
    private static readonly TimeSpan StartTime = TimeSpan.FromSeconds(1);

    private CancellationTokenSource? _running;
    private EdgeConfig? _next;

    /// <summary>Runs until every source has ended or a signal says stop.</summary>
    /// <returns>Whether every stream ended well.</returns>
    /// <exception cref="InputException">The configuration has mistakes.</exception>
    internal async Task<bool> RunAsync()
    {
        EdgeConfig? config = Load();
        EdgeConfig? opened = null;
        IReadOnlyDictionary<string, SavedStream>? before = null;
        IReadOnlyCollection<string>? retained = null;
        bool endedWell = true;
        signals.ReloadRequested = Reload;
        while (config is not null)
        {
            using EdgeService service = Open(config, before, retained, ref opened);
            using var running = CancellationTokenSource.CreateLinkedTokenSource(signals.Token);
            Interlocked.Exchange(ref _running, running);
            if (Volatile.Read(ref _next) is not null)
            {
                // SIGHUP arrived while this configuration was being opened.
                await running.CancelAsync().ConfigureAwait(false);
            }

            Task watching = WatchAsync(service, running.Token);
            endedWell = await service.RunAsync(running.Token).ConfigureAwait(false);
            Volatile.Write(ref _running, null);
            log.LogInformation("Delivered {Messages}", Quantity.Of(service.Publisher.Delivered, "message"));
            await running.CancelAsync().ConfigureAwait(false);
            await watching.ConfigureAwait(false);
            config = Interlocked.Exchange(ref _next, null);
            config = signals.Token.IsCancellationRequested ? null : config;
            before = config is null ? null : service.Saved;
            retained = service.Retained;
        }

        notifier.Stopping();
        return endedWell;
    }

    // A valid configuration may still not open, as when a model is missing: then the last one that opened continues.
    private EdgeService Open(
        EdgeConfig config,
        IReadOnlyDictionary<string, SavedStream>? before,
        IReadOnlyCollection<string>? retained,
        ref EdgeConfig? opened)
    {
        try
        {
            var service = new EdgeService(config, clock, log, before, ReadAgain, retained);
            opened = config;
            return service;
        }
        catch (InputException e) when (opened is not null)
        {
            log.LogError("The new configuration cannot be opened. The old one stays in use: {Message}", e.Message);
            return new EdgeService(opened, clock, log, before, ReadAgain, retained);
        }
    }

    private void Reload()
    {
        try
        {
            ReadAgain()();
        }
        catch (InputException e)
        {
            log.LogError("The new configuration is wrong. The old one stays in use: {Message}", e.Message);
        }
    }

    private EdgeConfig Load()
    {
        EdgeConfig config = ConfigFile.Load(configPath);
        foreach (string warning in config.Warnings)
        {
            log.LogWarning("{File}: {Warning}", configPath, warning);
        }

        if (config.Unknown.Count > 0)
        {
            throw new InputException(string.Join('\n', config.Unknown.Select(each => $"{configPath}: {each}.")));
        }

        return config;
    }

    // A wrong configuration is refused, and the service continues. A good one is applied by a stop and a start: unchanged streams
    // continue from their state.
    private Action ReadAgain()
    {
        EdgeConfig config = Load();
        return () =>
        {
            notifier.Reloading();
            log.LogInformation("The configuration was read again and is being applied");
            Interlocked.Exchange(ref _next, config);
            try
            {
                _ = Volatile.Read(ref _running)?.CancelAsync();
            }
            catch (ObjectDisposedException)
            {
                // It was already ending.
            }
        };
    }

    private async Task WatchAsync(EdgeService service, CancellationToken stop)
    {
        notifier.Ready(Status(service));
        int rounds = 0;
        TimeSpan interval = notifier.WatchdogInterval is { } watchdog && watchdog / 2 < StatusEvery ? watchdog / 2 : StatusEvery;
        try
        {
            while (true)
            {
                // Only what is a fault of this program: what others send must not make systemd restart it.
                SensorStream? late = service.Hosts.FirstOrDefault(host => !host.IsTicking)?.Stream;
                service.Look();
                if (late is null)
                {
                    notifier.Alive();
                }

                notifier.Status(late is null ? Status(service) : $"stream {late.Name} does not tick");
                await Task.Delay(rounds == 0 && StartTime < interval ? StartTime : interval, clock, stop).ConfigureAwait(false);

                // What the start needed, and what the first rows needed.
                if (rounds++ < 2)
                {
                    ProcessMemory.UnmapProgramPages();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The service has stopped.
        }
    }

    private static string Status(EdgeService service) =>
        $"{Quantity.Of(service.Streams.Count, "stream")}, {Quantity.Of(service.Streams.Sum(stream => stream.Health.Ticks), "tick")}, "
            + $"{Quantity.Of(service.Streams.Count(stream => stream.IsAnomalyOpen), "anomaly", "anomalies")} open, "
            + $"{Quantity.Of(service.Publisher.Delivered, "message")} delivered, {service.Waiting} waiting";
}
