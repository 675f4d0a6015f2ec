using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx.OnnxRuntime;
using Edge.Quantize.Calibration;
using Edge.Quantize.Evaluation;
using Edge.Quantize.Import;
using Edge.Quantize.Quantization;
using Edge.Quantize.Reports;
using Edge.Training.Reference;

namespace Edge.Quantize.Commands;

/// <summary><c>quantize</c>: float in, int8 out, with the evaluation printed.</summary>
internal static class QuantizeCommand
{
    private const int VerifiedRows = 1_000;

    internal static Command Create(TextWriter output)
    {
        var model = new Argument<string>("MODEL")
        {
            Description = "The trained model: .onnx, .safetensors (PyTorch's names, xLSTM's) or .npz.",
        };
        var manifest = new Option<string?>("--manifest")
        {
            Description =
                "The JSON manifest of the model: columns, mean, std, period_seconds, outputs_named; optional min and max. "
                    + "Without it, calibration needs raw rows (.f32, .i64).",
        };
        var calibration = new Option<string>("--calibration")
        {
            Description = "Readings in the manifest's columns and physical units (.csv), or raw rows as for infer (.f32, .i64).",
            Required = true,
        };
        var target = new Option<string>("--output", "-o") { Description = "The int8 model to write, .safetensors.", Required = true };
        var precision = new Option<Precision>("--precision")
        {
            Description = "auto: as few int16 hidden states as the tolerance allows. int8 or int16: that width in every layer.",
            HelpName = "auto|int8|int16",
            DefaultValueFactory = _ => Precision.Auto,
        };
        var tolerance = new Option<double>("--tolerance")
        {
            Description = "Largest increase of the RMSE on held-out rows over the float model, in percent.",
            DefaultValueFactory = _ => 0.1,
        };
        var range = new Option<RangeMethod>("--range")
        {
            Description = "Calibration of the int8 range of a hidden unit: minmax, percentile (99.9) or mse.",
            HelpName = "minmax|percentile|mse",
            DefaultValueFactory = _ => RangeMethod.MinMax,
        };
        var headroom = new Option<double>("--headroom")
        {
            Description =
                "Input range divided by the largest calibrated reading. Headroom is for anomalies, which exceed the calibrated readings.",
            DefaultValueFactory = _ => 8,
        };
        var report = new Option<string?>("--report") { Description = "Also write the evaluation as a self-contained HTML page." };
        var command = new Command("quantize", "Quantizes a trained float model to int8 and prints its evaluation.")
        {
            model, manifest, calibration, target, precision, tolerance, range, headroom, report,
        };
        var timeFormat = new TimeFormat();
        timeFormat.AddTo(command);
        headroom.Validators.Add(
            result => Require(result, result.GetValueOrDefault<double>() is >= 1 and <= 1000, "--headroom must be from 1 to 1000."));
        tolerance.Validators.Add(
            result => Require(result, result.GetValueOrDefault<double>() is >= 0 and <= 100, "--tolerance must be from 0 to 100 percent."));
        command.SetAction(parsed =>
        {
            string modelPath = parsed.GetRequiredValue(model);
            string calibrationPath = parsed.GetRequiredValue(calibration);
            string path = parsed.GetRequiredValue(target);
            RegularFile.RequireApart([path, parsed.GetValue(report)], [modelPath, calibrationPath, parsed.GetValue(manifest)]);
            FloatModel floatModel = FloatModels.Load(modelPath, parsed.GetValue(manifest));
            ModelManifest description = LoadManifest(parsed.GetValue(manifest), ref floatModel, calibrationPath);
            FloatModel source = floatModel.WithProbabilities(k => description.Outputs[k].Kind == OutputKind.Class);
            ReadingsFile readings = ReadingsFile.Load(timeFormat.Of(parsed, calibrationPath), description, withoutSentinels: true);
            (int begin, int end) = CalibrationRows(description, readings.RowCount);
            var settings = new QuantizationSettings { Range = parsed.GetValue(range), InputHeadroom = parsed.GetValue(headroom) };
            string provenance = Provenance(
                modelPath,
                floatModel,
                calibrationPath,
                begin,
                end,
                settings,
                parsed.GetValue(precision),
                parsed.GetValue(tolerance));

            using var progress = new Progress(output);
            QuantizationRun run = QuantizationRun.Of(
                source, description, readings, (begin, end), settings, parsed.GetValue(precision), parsed.GetValue(tolerance) / 100,
                provenance, progress.Say);
            progress.Done();
            FileBytes.Write(path, run.File);

            output.WriteLine(
                $"{Path.GetFileName(modelPath)} -> {path}: "
                    + $"{run.Model.Architecture}, {run.File.Length} bytes, state "
                    + $"{Quantity.Of(run.Model.StateBytes, "byte")} per stream");
            output.WriteLine($"calibrated on rows {begin}..{end - 1} of {Path.GetFileName(calibrationPath)}");
            ReadingsFile.NoteGaps(end - begin, run.Model.Manifest, output);
            foreach (string note in readings.Notes)
            {
                output.WriteLine(note);
            }

            if (readings.HeldValues > 0 || readings.SkippedRows > 0)
            {
                output.WriteLine(
                    $"missing values: {readings.HeldValues} replaced by the last one, {Quantity.Of(readings.SkippedRows, "row")} left out, "
                        + $"as a stream does");
            }

            foreach (string left in floatModel.LeftOut)
            {
                output.WriteLine($"left out: {left}");
            }

            if (!ReferenceEquals(source, floatModel))
            {
                output.WriteLine("LogSoftmax: its values are named as classes, so the int8 model gives their probabilities (Softmax)");
            }

            output.WriteLine(Verify(modelPath, floatModel, readings));
            WriteTrials(output, run.Trials, parsed.GetValue(tolerance));
            EvaluationTable.Write(output, run.Evaluation);
            BaselineTable.Write(output, run.Model.Manifest);
            HtmlReport.Write(parsed.GetValue(report), run.Evaluation, output, run.Model.Manifest);
            return 0;
        });
        return command;

        static void Require(System.CommandLine.Parsing.OptionResult result, bool holds, string sentence)
        {
            if (!holds)
            {
                result.AddError(sentence);
            }
        }
    }

    // The first rows once more, the whole file at once on ONNX Runtime.
    private static string Verify(string path, FloatModel model, ReadingsFile readings)
    {
        if (!path.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase))
        {
            return "import: not verified, because the model is not an ONNX file";
        }

        try
        {
            using var sequence =
                new OnnxSequence(FileBytes.Read(path, "Model", FloatModels.FileMaxBytes), Path.GetDirectoryName(Path.GetFullPath(path)));
            int rows = Math.Min(VerifiedRows, readings.RowCount);
            ReadOnlySpan<float> values = readings.Rows(rows);
            float[][] original = sequence.Run(values, rows);
            ImportDifference difference = ImportCheck.Of(original, model, values);
            if (difference.Largest > ImportCheck.ToleranceOf(sequence))
            {
                original = ImportCheck.SteadyPart(sequence, original, values);
                difference = ImportCheck.Of(original, model, values);
            }

            if (difference.Largest > ImportCheck.ToleranceOf(sequence))
            {
                throw new InputException(
                    $"Model '{path}': its import differs from ONNX Runtime by {difference.Largest:0.0e+0} in row {difference.Row}. "
                        + $"Do not use it; please report it with the model.");
            }

            return string.Create(
                CultureInfo.InvariantCulture,
                $"import: equals ONNX Runtime over {Quantity.Of(difference.Rows, "row")} within {difference.Largest:0.0e+0}")
                + (original.Length < rows ? "; from then on the model itself magnifies rounding" : "");
        }
        catch (ModelFormatException e)
        {
            return $"import: not verified on ONNX Runtime: {e.Message}";
        }
    }

    /// <summary>The manifest; a model that has more outputs than it names loses those of its last outputs.</summary>
    internal static ModelManifest LoadManifest(string? path, ref FloatModel model, string calibrationPath)
    {
        if (path is null)
        {
            return RawRows.Is(calibrationPath)
                ? ModelManifest.Plain("model", model.InputCount, model.OutputCount).WithSymbols(SymbolsBeside(model))
                : throw new InputException(
                    $"'{calibrationPath}' is in physical units. "
                        + $"Add --manifest, which names the columns of the model and their normalization.");
        }

        ModelManifest manifest;
        try
        {
            manifest = ModelManifest.Parse(FileBytes.Read(path, "Manifest", FloatModels.ManifestMaxBytes));
        }
        catch (ModelFormatException e)
        {
            throw new InputException($"'{path}': {e.Message}", e);
        }

        model = model.WithOutputs(manifest.Outputs.Count);
        if (manifest.InputCount != model.InputCount || manifest.Outputs.Count != model.OutputCount)
        {
            string outputs = model.Outputs.Count > 1
                ? $" ({string.Join(", ", model.Outputs.Select(output => $"'{output.Name}' {output.Count}"))})"
                : "";
            throw new InputException(
                $"'{path}' names {manifest.InputsInWords} and {Quantity.Of(manifest.Outputs.Count, "output")}, but the model has "
                    + $"{model.InputCount} and {model.OutputCount}{outputs}. Use the manifest that was written with the model.");
        }

        try
        {
            return manifest.WithSymbols(SymbolsBeside(model));
        }
        catch (ModelFormatException e)
        {
            throw new InputException($"'{path}': {e.Message}", e);
        }
    }

    // Symbols that a model reads beside readings.
    private static int SymbolsBeside(FloatModel model) => model.ReadingCount == 0 ? 0 : model.Embedding?.SymbolCount ?? 0;

    // Never calibrate on the scored rows: use the training rows, or the first four fifths.
    private static (int Begin, int End) CalibrationRows(ModelManifest manifest, int rows) =>
        manifest.TrainRows is { } train && train.Begin < rows
            ? (train.Begin, Math.Min(train.End, rows))
            : (0, rows - Math.Max(1, rows / 5));

    private static void WriteTrials(TextWriter output, IReadOnlyList<Trial> trials, double tolerance)
    {
        foreach (Trial trial in trials)
        {
            // Only what was measured.
            string rmse = double.IsNaN(trial.RmseChange) ? "" : $"RMSE {EvaluationTable.Percent(trial.RmseChange)}, ";
            string outside = double.IsNaN(trial.OutsideChange)
                ? ""
                : $"outside the calibrated range {EvaluationTable.Percent(trial.OutsideChange)}, ";
            string apart = double.IsNaN(trial.OutsideDifference)
                ? ""
                : $", {100 * trial.OutsideDifference:0.000} % outside the calibrated range";
            output.WriteLine(
                $"tried {trial.Setting}: {rmse}{outside}int8 - float {100 * trial.WorstDifference:0.000} % of a deviation at worst{apart}: "
                    + $"{(trial.IsGood ? "good" : "not good enough")}");
        }

        if (!trials.Any(trial => trial.IsGood))
        {
            output.WriteLine(
                $"warning: no setting meets the tolerance ({tolerance} % RMSE, {100 * PrecisionSearch.DifferenceMax} % difference, "
                    + $"{100 * PrecisionSearch.OutsideDifferenceMax} % outside the calibrated range). "
                    + $"The closest one is used. More calibration rows, or training with weight decay, may help.");
        }
    }

    private static string Provenance(
        string modelPath,
        FloatModel model,
        string calibrationPath,
        int begin,
        int end,
        QuantizationSettings settings,
        Precision precision,
        double tolerance)
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
            json.WriteString("precision", precision.ToString().ToLowerInvariant());
            json.WriteString("tolerance", string.Create(CultureInfo.InvariantCulture, $"{tolerance} %"));
            json.WriteString("range", settings.Range.ToString().ToLowerInvariant());
            json.WriteNumber("headroom", settings.InputHeadroom);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
