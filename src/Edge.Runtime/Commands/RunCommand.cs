using System.CommandLine;
using Edge.Runtime.Configuration;
using Edge.Runtime.Hosting;
using Microsoft.Extensions.Logging;

namespace Edge.Runtime.Commands;

/// <summary><c>run</c>: the service.</summary>
internal static class RunCommand
{
    internal static Command Create()
    {
        Option<string> config = ConfigOption();
        var command = new Command("run", "Runs the service: readings in, forecasts and anomalies out over MQTT.") { config };
        command.SetAction(async (parsed, cancel) =>
        {
            EdgeConfig edge = ConfigFile.Load(parsed.GetRequiredValue(config));
            using ILoggerFactory logs = ServiceLog.Create();
            ILogger log = logs.CreateLogger("edge");
            using var stop = new StopSignal();
            using var service = new EdgeService(edge, TimeProvider.System, log);
            bool endedWell = await service.RunAsync(stop.Token).ConfigureAwait(false);
            log.LogInformation("Delivered {Count} messages", service.Publisher.Delivered);
            return endedWell ? ExitCodes.Done : ExitCodes.InputWrong;
        });
        return command;
    }

    internal static Option<string> ConfigOption() =>
        new("--config") { Description = "The configuration, edge.yaml.", Required = true };
}
