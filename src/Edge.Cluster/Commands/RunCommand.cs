using System.CommandLine;
using Edge.Cluster.Pipeline;
using Edge.Cluster.Workers;
using Edge.Inference;
using Edge.Runtime.Commands;
using Edge.Runtime.Hosting;
using Edge.Runtime.Payloads;
using Edge.Runtime.Telemetry;
using Edge.Runtime.Web;
using Microsoft.Extensions.Logging;

namespace Edge.Cluster.Commands;

/// <summary><c>run</c>: a worker, until SIGTERM.</summary>
internal static class RunCommand
{
    internal static Command Create()
    {
        Option<string> config = ClusterSession.ConfigOption();
        var command = new Command("run", "Runs a worker. As many as wanted may run, on any machines.") { config };
        command.SetAction(async (parsed, cancel) =>
        {
            using ILoggerFactory logs = ServiceLog.Create();
            using var signals = new StopSignal();
            await using var session = new ClusterSession(parsed.GetRequiredValue(config));
            await RunAsync(session, logs.CreateLogger("edge"), signals.Token).ConfigureAwait(false);
            return ExitCodes.Done;
        });
        return command;
    }

    private static async Task RunAsync(ClusterSession session, ILogger log, CancellationToken stop)
    {
        WorkerOptions options = session.Config.Worker;
        TimeProvider clock = TimeProvider.System;
        var budget = new MemoryBudget(options.Streams, options.Idle);
        Worker? worker = null;
        using var metrics = new WorkerMetrics(() => worker?.Held ?? 0, () => budget.Streams, () => worker?.Lags() ?? []);
        RuleModel[] rules = [.. session.Config.Streams.Select(rule => new RuleModel(rule, clock, log))];
        var parts = new WorkerParts(clock, log)
        {
            Name = session.Name,
            Options = options,
            Link = session.Link,
            Topology = session.Topology,
            Database = session.Database,
            Rules = rules,
            Budget = budget,
            Metrics = metrics,
        };
        foreach (RuleModel rule in rules)
        {
            _ = rule.Current();
        }

        using PrometheusText prometheus = new(metrics.Meter);
        using WebServer? web = session.Config.Telemetry?.Listen is { } listen
            ? new WebServer(
                [new WebEndpoint("telemetry", listen, new TelemetryAnswers(prometheus.Write, () => [], () => Problems(rules)).AnswerAsync)],
                log)
            : null;
        TelemetryOptions? export = session.Config.Telemetry is { Otlp: not null } otlp ? otlp : null;
        using IDisposable? sent = export is null
            ? null
            : OtlpExport.Start(export, "edge-cluster", session.Name, WorkerMetrics.Name, InfoMessage.Version);
        using IDisposable? traces = export is null
            ? null
            : OtlpExport.StartTraces(export, "edge-cluster", session.Name, WorkerMetrics.Name, InfoMessage.Version);
        using (worker = new Worker(parts))
        {
            log.LogInformation("Worker {Name}: waits for {Partitions} partitions", session.Name, session.Config.Partitions);
            await worker.RunAsync(stop).ConfigureAwait(false);
        }

        log.LogInformation("Worker {Name}: stopped", session.Name);
    }

    private static string[] Problems(IEnumerable<RuleModel> rules) => [.. rules.Select(rule => rule.Problem).OfType<string>()];
}
