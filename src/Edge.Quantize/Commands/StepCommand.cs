using System.CommandLine;
using Edge.Inference;
using Edge.Onnx.Graphs;
using Edge.Quantize.Import;

namespace Edge.Quantize.Commands;

/// <summary><c>step</c>: converts an ONNX model of sequences to one of steps, with its states as inputs and outputs.</summary>
internal static class StepCommand
{
    internal static Command Create(TextWriter output)
    {
        var model = new Argument<string>("MODEL") { Description = "An ONNX model with LSTM, GRU or RNN nodes." };
        var outputPath = new Option<string>("--output", "-o") { Description = "File for the step model.", Required = true };
        var command = new Command(
            "step",
            "Converts an ONNX model of sequences to one of steps: it takes a row and the states, and returns outputs and the new states.")
        {
            model,
            outputPath,
        };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(model);
            RegularFile.RequireApart([parsed.GetRequiredValue(outputPath)], [path]);
            try
            {
                StepGraph step = StepGraph.Read(
                    FileBytes.Read(path, "Model", FloatModels.FileMaxBytes),
                    Path.GetDirectoryName(Path.GetFullPath(path)));
                FileBytes.Write(parsed.GetRequiredValue(outputPath), step.ToBytes());
                output.WriteLine($"Input '{step.Input}' [{string.Join(", ", step.InputShape)}], output '{step.Output}'.");
                foreach (GraphState state in step.States)
                {
                    output.WriteLine(
                        $"State '{state.Input}' [{string.Join(", ", state.Shape)}] is returned as '{state.Output}' and starts from "
                            + $"{(state.Initial.Length == 0 ? "zero" : "the model's initial state, which the caller must provide")}.");
                }

                foreach (string left in step.LeftOut)
                {
                    output.WriteLine($"Output '{left}' is left out.");
                }

                if (step.WindowRows > 1)
                {
                    output.WriteLine($"The model reads a window of {step.WindowRows} rows; its outputs are NaN before there are so many.");
                }

                return 0;
            }
            catch (ModelFormatException e)
            {
                throw new InputException($"Model '{path}': {e.Message}", e);
            }
        });
        return command;
    }
}
