using System.CommandLine;
using Edge.Inference;
using Edge.Runtime.Hosting;

namespace Edge.Runtime.Commands;

/// <summary>Runs a command of a program: exit codes out (0 done, 1 the input is wrong, 2 wrong usage, 70 a bug in the program).</summary>
internal static class CommandProgram
{
    /// <param name="root">All commands.</param>
    /// <param name="name">Name of the program.</param>
    /// <param name="args">What was typed.</param>
    /// <param name="output">What commands print.</param>
    /// <param name="error">One sentence where something is wrong.</param>
    /// <param name="toJournal">Whether the sentence goes to the journal.</param>
    internal static async Task<int> RunAsync(
        RootCommand root, string name, string[] args, TextWriter output, TextWriter error, bool toJournal)
    {
        // A name may begin with '@': that is no file with arguments.
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            string help = string.Join(' ', args.Take(1).Where(arg => root.Subcommands.Any(each => each.Name == arg)).Append("--help"));
            await error.WriteLineAsync($"{Problem(parsed)} See {name} {help}.").ConfigureAwait(false);
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
            await error.WriteLineAsync(ServiceLog.LastWords($"A bug in {name}, please report it: {e}", toJournal)).ConfigureAwait(false);
            return ExitCodes.Bug;
        }
    }

    // A word that is no command tells more than that a command is missing.
    private static string Problem(ParseResult parsed) => parsed.UnmatchedTokens.Count > 0
        ? $"Unrecognized command or argument {PrintableText.Quoted(parsed.UnmatchedTokens[0])}."
        : PrintableText.OfParser(parsed.Errors[0].Message);
}
