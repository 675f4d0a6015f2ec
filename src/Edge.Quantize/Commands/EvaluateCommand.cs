using System.CommandLine;
using Edge.Inference.Models;
using Edge.Inference.Reference;
using Edge.Quantize.Calibration;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Onnx;

namespace Edge.Quantize.Commands;

/// <summary><c>evaluate</c>: int8 against float on data.</summary>
internal static class EvaluateCommand
{
    internal static Command Create(TextWriter output)
    {
        var source = new Argument<string>("MODEL") { Description = "The trained model, .onnx." };
        var quantised = new Argument<string>("INT8") { Description = "The int8 model made from it, .safetensors." };
        var data = new Option<string>("--data") { Description = "Readings in the model's columns and physical units, .csv.", Required = true };
        var asJson = new Option<bool>("--json") { Description = "One JSON object instead of a table." };
        var command = new Command("evaluate", "Compares an int8 model with the float model it was made from, on data.") { source, quantised, data, asJson };
        command.SetAction(parsed =>
        {
            FloatModel floatModel = OnnxImporter.Load(parsed.GetRequiredValue(source));
            EdgeModel model = EdgeModel.Load(parsed.GetRequiredValue(quantised));
            if (model.InputCount != floatModel.InputCount || model.OutputCount != floatModel.OutputCount)
            {
                throw new InputException(
                    $"The models do not belong together: {floatModel.InputCount} inputs and {floatModel.OutputCount} outputs against {model.InputCount} and {model.OutputCount}.");
            }

            ModelEvaluation evaluation = ModelEvaluation.Run(floatModel, model, ReadingsFile.Load(parsed.GetRequiredValue(data), model.Manifest));
            if (parsed.GetValue(asJson))
            {
                EvaluationTable.WriteJson(output, evaluation, model.Manifest);
            }
            else
            {
                EvaluationTable.Write(output, evaluation, model.Manifest);
            }

            return 0;
        });
        return command;
    }
}
