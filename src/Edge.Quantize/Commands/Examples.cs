using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Edge.Quantize.Commands;

/// <summary>Examples below a command's own help, and only there.</summary>
internal sealed class Examples : SynchronousCommandLineAction
{
    private static readonly Dictionary<string, string[]> Of = new()
    {
        ["inspect"] = ["inspect model.onnx", "inspect model.safetensors --json"],
        ["train"] =
        [
            "train readings.csv -o model.safetensors",
            "train readings.csv -o model.safetensors --target temperature --horizons 1,6,24 --budget 10m --report report.html",
        ],
        ["profile"] =
        [
            "profile model.safetensors --calibration calm-week.csv -o model-2.safetensors",
        ],
        ["quantize"] =
        [
            "quantize model.onnx --manifest model.json --calibration readings.csv -o model.safetensors",
            "quantize model.onnx --manifest model.json --calibration readings.csv -o model.safetensors --report report.html",
            "quantize model.onnx --calibration rows.f32 -o model.safetensors --precision int16",
        ],
        ["evaluate"] =
        [
            "evaluate model.onnx model.safetensors --data readings.csv",
            "evaluate model.onnx model.safetensors --data readings.csv --report report.html",
        ],
        ["infer"] =
        [
            "infer model.safetensors --input x.f32 --output y.f32",
            "infer model.onnx --engine float --input x.f32 --output y.f32 --state-out s.bin",
        ],
        ["verify-import"] = ["verify-import model.onnx --input x.f32"],
        ["trace"] =
        [
            "trace model.safetensors --data readings.csv --report gates.html",
            "trace model.safetensors --float model.onnx --data readings.csv --from 1200 --unit 7 --report gates.html",
        ],
        ["bench"] = ["bench model.safetensors"],
        ["keygen"] = ["keygen --key plant.pem"],
        ["sign"] = ["sign model.safetensors --key plant.pem"],
        ["verify"] = ["verify model.safetensors --key plant.pub.pem"],
        ["completion"] = ["completion bash >> ~/.bashrc"],
    };

    private readonly HelpAction _help;

    private Examples(HelpAction help) => _help = help;

    // Help is printed even if required arguments are missing.
    public override bool ClearsParseErrors => true;

    /// <summary>Adds the examples to the help of every command below <paramref name="root"/>.</summary>
    internal static void AddTo(RootCommand root)
    {
        HelpOption option = root.Options.OfType<HelpOption>().Single();
        option.Action = new Examples((HelpAction)option.Action!);
    }

    public override int Invoke(ParseResult parseResult)
    {
        int code = _help.Invoke(parseResult);
        if (Of.TryGetValue(parseResult.CommandResult.Command.Name, out string[]? examples))
        {
            TextWriter output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (string example in examples)
            {
                output.WriteLine($"  edge-quantize {example}");
            }
        }

        return code;
    }
}
