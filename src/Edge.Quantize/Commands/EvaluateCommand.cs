using System.CommandLine;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Import;
using Edge.Quantize.Quantization;
using Edge.Quantize.Reports;
using Edge.Training.Reference;

namespace Edge.Quantize.Commands;

/// <summary><c>evaluate</c>: int8 against float on data.</summary>
internal static class EvaluateCommand
{
    internal static Command Create(TextWriter output)
    {
        var source = new Argument<string>("MODEL") { Description = "The trained model: .onnx, .safetensors (PyTorch's names) or .npz." };
        var quantised = new Argument<string>("INT8") { Description = "The int8 model made from it, .safetensors." };
        var data = new Option<string>("--data") { Description = "Readings in the model's columns and physical units, .csv; or rows as infer takes them, .f32 or .i64.", Required = true };
        var asJson = new Option<bool>("--json") { Description = "One JSON object instead of a table." };
        var report = new Option<string?>("--report") { Description = "Also write the evaluation as a self-contained HTML page." };
        var command = new Command("evaluate", "Compares an int8 model with the float model it was made from, on data.")
        {
            source, quantised, data, asJson, report,
        };
        command.SetAction(parsed =>
        {
            FloatModel floatModel = FloatModels.Load(parsed.GetRequiredValue(source));
            EdgeModel model = EdgeModel.Load(parsed.GetRequiredValue(quantised));
            RequireSameLayers(floatModel, model);
            ReadingsFile readings = ReadingsFile.Load(parsed.GetRequiredValue(data), model.Manifest);
            using var progress = new Progress(output);
            progress.Say("running the float model");
            EvaluationReport evaluation = EvaluationReport.Measure(new FloatRun(floatModel, readings, model.Manifest), model, progress.Say);
            progress.Done();
            if (parsed.GetValue(asJson))
            {
                EvaluationTable.WriteJson(output, evaluation);
            }
            else
            {
                EvaluationTable.Write(output, evaluation);
            }

            HtmlReport.Write(parsed.GetValue(report), evaluation, parsed.GetValue(asJson) ? TextWriter.Null : output);
            return 0;
        });
        return command;
    }

    internal static void RequireSameLayers(FloatModel floatModel, EdgeModel model)
    {
        if (model.InputCount != floatModel.InputCount || model.OutputCount != floatModel.OutputCount)
        {
            throw new InputException(
                $"The models do not belong together: {floatModel.InputCount} inputs and {floatModel.OutputCount} outputs against {model.InputCount} and {model.OutputCount}.");
        }

        string trained = string.Join(", ", floatModel.Layers.Select(layer => $"{Quantization.LayerQuantizer.Name(layer)} {layer.InputCount}x{layer.UnitCount}"));
        string quantised = string.Join(", ", model.Layers.Select(layer => $"{layer.Type} {layer.InputCount}x{layer.UnitCount}"));
        if (trained != quantised || (floatModel.Head is null) != (model.Head is null))
        {
            throw new InputException($"The models do not belong together: {trained} against {quantised}.");
        }
    }
}
