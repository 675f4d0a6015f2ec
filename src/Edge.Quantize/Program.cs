using System.CommandLine;
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
        if (parsed.Errors.Count > 0)
        {
            error.WriteLine(
                $"{PrintableText.OfParser(parsed.Errors[0].Message)} See "
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
}
