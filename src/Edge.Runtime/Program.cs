using System.CommandLine;
using Edge.Inference;
using Edge.Runtime.Commands;
using Edge.Runtime.Hosting;

namespace Edge.Runtime;

/// <summary>The entry point: commands in, exit codes out (0 done, 1 the input is wrong, 2 wrong usage, 70 a bug in edge-runtime).</summary>
internal static class Program
{
    internal static Task<int> Main(string[] args) => RunAsync(args, Console.Out, Console.Error, ServiceLog.IsJournal);

    internal static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, bool toJournal = false)
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
        // A name may begin with '@': that is no file with arguments.
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            await error.WriteLineAsync(
                $"{string.Join(' ', parsed.Errors[0].Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))} See "
                    + $"edge-runtime "
                    + $"{string.Join(' ', args.TakeWhile(arg => !arg.StartsWith('-')).Take(1).Append("--help"))}.").ConfigureAwait(false);
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
                ServiceLog.LastWords($"A bug in edge-runtime, please report it: {e}", toJournal)).ConfigureAwait(false);
            return ExitCodes.Bug;
        }
    }
}
