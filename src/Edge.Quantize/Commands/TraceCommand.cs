using System.CommandLine;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Import;
using Edge.Quantize.Reports;
using Edge.Training.Reference;

namespace Edge.Quantize.Commands;

/// <summary><c>trace</c>: plots each gate, the cell and the hidden state over time, as an HTML page.</summary>
internal static class TraceCommand
{
    private const int RowsMax = 5000;

    internal static Command Create(TextWriter output)
    {
        var model = new Argument<string>("MODEL") { Description = "The int8 model, .safetensors." };
        var data = new Option<string>("--data")
        {
            Description = "Readings in the model's columns and physical units (.csv), or raw rows as for infer (.f32, .i64).",
            Required = true,
        };
        var report = new Option<string>("--report") { Description = "The HTML page to write.", Required = true };
        var reference = new Option<string?>("--float") { Description = "The float model it was made from, to be drawn in the same plots." };
        var rows = new Option<int>("--rows") { Description = $"How many rows to draw, 2 to {RowsMax}.", DefaultValueFactory = _ => 200 };
        var from = new Option<int?>("--from") { Description = "First row to draw. Default: the last rows of the file." };
        var unit = new Option<int[]>("--unit")
        {
            Description = "A unit to draw, in every layer. The option may be repeated. Default: the three units that change most.",
        };
        var command = new Command("trace", "Plots gates, cell and hidden state over time, as a self-contained HTML page.")
        {
            model, data, report, reference, rows, from, unit,
        };
        var timeFormat = new TimeFormat();
        timeFormat.AddTo(command);
        rows.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 2 or > RowsMax)
            {
                result.AddError($"--rows must be from 2 to {RowsMax}.");
            }
        });
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(model);
            RegularFile.RequireApart(
                [parsed.GetRequiredValue(report)], [path, parsed.GetRequiredValue(data), parsed.GetValue(reference)]);
            if (!ModelKind.IsInt8(path))
            {
                throw new InputException($"'{path}' is a float model. Quantize it first, and pass the float model with --float.");
            }

            EdgeModel quantized = EdgeModel.Load(path);
            FloatModel? trained = parsed.GetValue(reference) is { } floatPath
                ? FloatModels.Load(floatPath).WithOutputs(quantized.OutputCount)
                    .WithProbabilities(k => quantized.Manifest.Outputs[k].Kind == OutputKind.Class) : null;
            if (trained is not null)
            {
                EvaluateCommand.RequireSameLayers(trained, quantized);
            }

            ReadingsFile readings = ReadingsFile.Load(timeFormat.Of(parsed, parsed.GetRequiredValue(data)), quantized.Manifest);
            int count = Math.Min(parsed.GetValue(rows), readings.RowCount);
            int begin = parsed.GetValue(from) ?? readings.RowCount - count;
            if (begin < 0 || begin > readings.RowCount - 2)
            {
                throw new InputException(
                    $"--from {begin} is not a row of the data, which has {readings.RowCount} rows. At least two rows are drawn.");
            }

            int[] units = parsed.GetValue(unit) ?? [];
            int most = quantized.Layers.Max(layer => layer.UnitCount);
            if (units.Any(each => each < 0 || each >= most))
            {
                throw new InputException($"--unit must be from 0 to {most - 1}, the units of the model's largest layer.");
            }

            string target = parsed.GetRequiredValue(report);
            new TraceReport(quantized, trained, readings, begin, Math.Min(begin + count, readings.RowCount))
                .Write(target, units.Length == 0 ? null : units);
            output.WriteLine($"report: {target}");
            return 0;
        });
        return command;
    }
}
