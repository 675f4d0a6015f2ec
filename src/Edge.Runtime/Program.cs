using System.CommandLine;
using Edge.Runtime.Commands;
using Edge.Runtime.Hosting;

namespace Edge.Runtime;

/// <summary>The entry point: commands in, exit codes out.</summary>
internal static class Program
{
    internal static Task<int> Main(string[] args) => RunAsync(args, Console.Out, Console.Error, ServiceLog.IsJournal);

    internal static Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, bool toJournal = false)
    {
        var root = new RootCommand("Reads sensors, steps a stateful int8 model, and publishes forecasts and anomalies over MQTT.")
        {
            RunCommand.Create(),
            ReplayCommand.Create(output),
            DemoCommand.Create(output),
            CheckCommand.Create(output),
            SensorsCommand.Create(output),
            RecordCommand.Create(output),
            ScoreCommand.Create(output),
            StateCommand.Create(output),
            DashboardCommand.Create(output),
            ExportCommand.Create(output),
        };
        return CommandProgram.RunAsync(root, "edge-runtime", args, output, error, toJournal);
    }
}
