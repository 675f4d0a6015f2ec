using System.CommandLine;
using Edge.Runtime.Hosting;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Commands;

/// <summary><c>run</c>: the service.</summary>
internal static class RunCommand
{
    internal static Command Create()
    {
        Option<string> config = ConfigOption();
        var command = new Command("run", "Runs the service: reads sensors, publishes forecasts and anomalies over MQTT.") { config };
        command.SetAction(async (parsed, cancel) =>
        {
            OpenFilesLimit.Require();
            ProcessMemory.ShareNativeHeap();
            using ILoggerFactory logs = ServiceLog.Create();
            using var signals = new StopSignal();
            using var notifier = ServiceNotifier.FromEnvironment();
            var runner = new ServiceRunner(
                parsed.GetRequiredValue(config),
                notifier,
                signals,
                TimeProvider.System,
                logs.CreateLogger("edge"));
            return await runner.RunAsync().ConfigureAwait(false) ? ExitCodes.Done : ExitCodes.InputWrong;
        });
        return command;
    }

    internal static Option<string> ConfigOption() =>
        new("--config") { Description = "The configuration, edge.yaml.", Required = true };
}
