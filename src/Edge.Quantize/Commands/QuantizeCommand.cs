using System.CommandLine;
using System.Text;
using System.Text.Json;
using Edge.Inference.Models;
using Edge.Inference.Reference;
using Edge.Quantize.Calibration;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Onnx;
using Edge.Quantize.Quantization;

namespace Edge.Quantize.Commands;

/// <summary><c>quantize</c>: float in, int8 out, with the evaluation printed.</summary>
internal static class QuantizeCommand
{
    internal static Command Create(TextWriter output)
    {
        var model = new Argument<string>("MODEL") { Description = "The trained model, .onnx." };
        var manifest = new Option<string>("--manifest") { Description = "The JSON beside it: columns, mean, std, period_seconds, outputs_named.", Required = true };
        var calibration = new Option<string>("--calibration") { Description = "Readings in the manifest's columns and physical units, .csv.", Required = true };
        var target = new Option<string>("--output", "-o") { Description = "The int8 model to write, .safetensors.", Required = true };
        var command = new Command("quantize", "Turns a trained float model into an int8 one and prints its evaluation.") { model, manifest, calibration, target };
        command.SetAction(parsed =>
        {
            string modelPath = parsed.GetRequiredValue(model);
            string calibrationPath = parsed.GetRequiredValue(calibration);
            FloatModel floatModel = OnnxImporter.Load(modelPath);
            ModelManifest description = LoadManifest(parsed.GetRequiredValue(manifest), floatModel);
            ReadingsFile readings = ReadingsFile.Load(calibrationPath, description);
            (int begin, int end) = CalibrationRows(description, readings.RowCount);
            string provenance = Provenance(modelPath, floatModel, calibrationPath, begin, end);

            ActivationStatistics statistics = ActivationStatistics.Measure(floatModel, readings, begin, end);
            EdgeModel quantised = ModelQuantizer.Quantise(floatModel, description, statistics, new QuantizationSettings(), provenance);
            ModelEvaluation evaluation = ModelEvaluation.Run(floatModel, quantised, readings);

            // The measured error goes into the file: it is the runtime's first idea of how sure a forecast is.
            double[] rmse = evaluation.Outputs.Select(result => result.Int8RmseNormalised).ToArray();
            byte[] file = quantised.With(description.WithOutputRmse(rmse)).ToBytes();
            string path = parsed.GetRequiredValue(target);
            OutputPath.Write(path, file);

            output.WriteLine($"{Path.GetFileName(modelPath)} -> {path}: {quantised.Architecture}, {file.Length} bytes, state {quantised.StateBytes} bytes a stream");
            output.WriteLine($"calibrated on rows {begin}..{end - 1} of {Path.GetFileName(calibrationPath)}");
            EvaluationTable.Write(output, evaluation, description);
            return 0;
        });
        return command;
    }

    internal static ModelManifest LoadManifest(string path, FloatModel model)
    {
        ModelManifest manifest;
        try
        {
            manifest = ModelManifest.Parse(OutputPath.Read(path, "Manifest"));
        }
        catch (ModelFormatException e)
        {
            throw new InputException($"'{path}': {e.Message}", e);
        }

        if (manifest.Columns.Count != model.InputCount || manifest.Outputs.Count != model.OutputCount)
        {
            throw new InputException(
                $"'{path}' names {manifest.Columns.Count} columns and {manifest.Outputs.Count} outputs, the model has {model.InputCount} and {model.OutputCount}. They do not belong together.");
        }

        return manifest;
    }

    // Never calibrate on what is scored: the training rows, or the first four fifths.
    private static (int Begin, int End) CalibrationRows(ModelManifest manifest, int rows) =>
        manifest.TrainRows is { } train && train.Begin < rows ? (train.Begin, Math.Min(train.End, rows)) : (0, rows - (rows / 5));

    private static string Provenance(string modelPath, FloatModel model, string calibrationPath, int begin, int end)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("tool", $"edge-quantize {typeof(QuantizeCommand).Assembly.GetName().Version!.ToString(3)}");
            json.WriteString("source", Path.GetFileName(modelPath));
            json.WriteString("source_sha256", model.Sha256);
            json.WriteString("calibration", Path.GetFileName(calibrationPath));
            json.WriteString("calibration_rows", $"{begin}..{end - 1}");
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
