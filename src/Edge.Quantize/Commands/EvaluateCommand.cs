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

/// <summary><c>evaluate</c>: compares int8 with float on data.</summary>
internal static class EvaluateCommand
{
    internal static Command Create(TextWriter output)
    {
        var source = new Argument<string>("MODEL") { Description = "The trained model: .onnx, .safetensors (PyTorch's names) or .npz." };
        var quantized = new Argument<string>("INT8") { Description = "The int8 model made from it, .safetensors." };
        var data = new Option<string>("--data")
        {
            Description = "Readings in the model's columns and physical units (.csv), or raw rows as for infer (.f32, .i64).",
            Required = true,
        };
        var asJson = new Option<bool>("--json") { Description = "Print one JSON object instead of a table." };
        var report = new Option<string?>("--report") { Description = "Also write the evaluation as a self-contained HTML page." };
        var command = new Command("evaluate", "Compares an int8 model with the float model it was made from, on data.")
        {
            source, quantized, data, asJson, report,
        };
        var timeFormat = new TimeFormat();
        timeFormat.AddTo(command);
        command.SetAction(parsed =>
        {
            RegularFile.RequireApart(
                [parsed.GetValue(report)],
                [parsed.GetRequiredValue(source), parsed.GetRequiredValue(quantized), parsed.GetRequiredValue(data)]);
            EdgeModel model = EdgeModel.Load(parsed.GetRequiredValue(quantized));
            FloatModel floatModel = FloatModels.Load(parsed.GetRequiredValue(source)).WithOutputs(model.OutputCount)
                .WithProbabilities(k => model.Manifest.Outputs[k].Kind == OutputKind.Class);
            RequireSameLayers(floatModel, model);
            ReadingsFile readings = ReadingsFile.Load(timeFormat.Of(parsed, parsed.GetRequiredValue(data)), model.Manifest);
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
                $"The int8 model was not made from this float model: "
                    + $"the float model has {Quantity.Of(floatModel.InputCount, "input")} and "
                    + $"{Quantity.Of(floatModel.OutputCount, "output")}, the int8 model {model.InputCount} and {model.OutputCount}.");
        }

        string trained = string.Join(
            ", ",
            floatModel.Layers.Select(layer => $"{Quantization.LayerQuantizer.Name(layer)} {layer.InputCount}x{layer.UnitCount}"));
        string quantized = string.Join(", ", model.Layers.Select(layer => $"{layer.Type} {layer.InputCount}x{layer.UnitCount}"));
        if (trained != quantized || (floatModel.Head is null) != (model.Head is null))
        {
            throw new InputException(
                $"The int8 model was not made from this float model: the float model has {trained}, the int8 model {quantized}.");
        }
    }
}
