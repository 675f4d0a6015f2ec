using System.CommandLine;
using Edge.Cluster.Commands;
using Edge.Runtime.Hosting;
using CommandProgram = Edge.Runtime.Commands.CommandProgram;

namespace Edge.Cluster;

/// <summary>The entry point: commands in, exit codes out.</summary>
internal static class Program
{
    internal static Task<int> Main(string[] args) => RunAsync(args, Console.Out, Console.Error, ServiceLog.IsJournal);

    internal static Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, bool toJournal = false)
    {
        var root = new RootCommand("Runs the pipeline of many streams on many machines, with RabbitMQ and PostgreSQL.")
        {
            InitCommand.Create(output),
            RunCommand.Create(),
            CheckCommand.Create(output),
            StatusCommand.Create(output),
        };
        return CommandProgram.RunAsync(root, "edge-cluster", args, output, error, toJournal);
    }
}
