using System.CommandLine;
using Edge.Inference;
using Edge.Onnx.Graphs;
using Edge.Quantize.Import;

namespace Edge.Quantize.Commands;

/// <summary><c>step</c>: an ONNX model of sequences as one of steps, its states inputs and outputs.</summary>
internal static class StepCommand
{
    internal static Command Create(TextWriter output)
    {
        var model = new Argument<string>("MODEL") { Description = "An ONNX model with LSTM, GRU or RNN nodes." };
        var outputPath = new Option<string>("--output", "-o") { Description = "Where the step model goes.", Required = true };
        var command = new Command("step", "Turns an ONNX model of sequences into one of steps: a row and the states in, outputs and the new states out.") { model, outputPath };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(model);
            try
            {
                StepGraph step = StepGraph.Read(FileBytes.Read(path, "Model", FloatModels.FileMaxBytes));
                FileBytes.Write(parsed.GetRequiredValue(outputPath), step.ToBytes());
                output.WriteLine($"Input '{step.Input}' [{string.Join(", ", step.InputShape)}], output '{step.Output}'.");
                foreach (GraphState state in step.States)
                {
                    output.WriteLine($"State '{state.Input}' [{string.Join(", ", state.Shape)}] comes out as '{state.Output}' and starts from {(state.Initial.Length == 0 ? "zero" : "the model's own initial state, which the caller must give")}.");
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
