using System.CommandLine;
using System.CommandLine.Parsing;
using Edge.Inference;
using Edge.Quantize.Commands;

namespace Edge.Quantize;

/// <summary>
/// The entry point: commands in, exit codes out (0 done, 1 the input is wrong, 2 wrong usage, 70 a bug in edge-quantize).
/// </summary>
internal static class Program
{
    internal static int Main(string[] args) => Run(args, Console.Out, Console.Error);

    internal static int Run(string[] args, TextWriter output, TextWriter error)
    {
        var root = new RootCommand("Quantizes a trained recurrent model to int8 for edge-runtime, and measures the error.")
        {
            InspectCommand.Create(output),
            TrainCommand.Create(output),
            TextCommands.CreateTrain(output),
            TextCommands.CreateGenerate(output),
            QuantizeCommand.Create(output),
            ProfileCommand.Create(output),
            EvaluateCommand.Create(output),
            InferCommand.Create(output),
            StepCommand.Create(output),
            VerifyImportCommand.Create(output),
            TraceCommand.Create(output),
            BenchCommand.Create(output),
            SignatureCommands.CreateKeygen(output),
            SignatureCommands.CreateSign(output),
            SignatureCommands.CreateVerify(output),
            CompletionCommand.Create(output),
        };
        Examples.AddTo(root);
        // A column may be named '@load': that is no file with arguments.
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        string? wrong = parsed.Errors.Count > 0 ? PrintableText.OfParser(parsed.Errors[0].Message) : MisspelledOption(parsed, args);
        if (wrong is not null)
        {
            error.WriteLine(
                $"{wrong} See "
                    + $"edge-quantize {string.Join(' ', args.TakeWhile(arg => !arg.StartsWith('-')).Take(1).Append("--help"))}.");
            return 2;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, Output = output, Error = error });
        }
        catch (Exception e) when (e is InputException or ModelFormatException)
        {
            error.WriteLine(e.Message);
            return 1;
        }
        catch (Exception e)
        {
            error.WriteLine($"A bug in edge-quantize, please report it: {e}");
            return 70;
        }
    }

    // Where several files or names may stand, the parser takes an option that it does not know for one of them.
    private static string? MisspelledOption(ParseResult parsed, string[] args)
    {
        string[] options = [.. args.TakeWhile(arg => arg != "--").Where(arg => arg.StartsWith("--", StringComparison.Ordinal))];
        return parsed.Tokens.FirstOrDefault(each => each.Type == TokenType.Argument && options.Contains(each.Value)) is { } token
            ? PrintableText.OfParser($"Unrecognized command or argument '{token.Value}'.")
            : null;
    }
}
