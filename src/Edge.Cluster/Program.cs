using System.CommandLine;
using Edge.Cluster.Commands;
using Edge.Inference;
using Edge.Runtime.Hosting;
using ExitCodes = Edge.Runtime.Commands.ExitCodes;

namespace Edge.Cluster;

/// <summary>The entry point: commands in, exit codes out (0 done, 1 the input is wrong, 2 wrong usage, 70 a bug in edge-cluster).</summary>
internal static class Program
{
    internal static Task<int> Main(string[] args) => RunAsync(args, Console.Out, Console.Error, ServiceLog.IsJournal);

    internal static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, bool toJournal = false)
    {
        var root = new RootCommand("Runs the pipeline of many streams on many machines, with RabbitMQ and PostgreSQL.")
        {
            InitCommand.Create(output),
            RunCommand.Create(),
            CheckCommand.Create(output),
            StatusCommand.Create(output),
        };
        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            string command = string.Join(' ', args.TakeWhile(arg => !arg.StartsWith('-')).Take(1).Append("--help"));
            await error.WriteLineAsync($"{parsed.Errors[0].Message} See edge-cluster {command}.").ConfigureAwait(false);
            return ExitCodes.WrongUsage;
        }

        try
        {
            var configuration = new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = output,
                Error = error,
            };
            return await parsed.InvokeAsync(configuration).ConfigureAwait(false);
        }
        catch (InputException e)
        {
            await error.WriteLineAsync(ServiceLog.LastWords(e.Message, toJournal)).ConfigureAwait(false);
            return ExitCodes.InputWrong;
        }
        catch (OperationCanceledException)
        {
            return ExitCodes.Done;
        }
        catch (Exception e)
        {
            await error.WriteLineAsync(
                ServiceLog.LastWords($"A bug in edge-cluster, please report it: {e}", toJournal)).ConfigureAwait(false);
            return ExitCodes.Bug;
        }
    }
}
