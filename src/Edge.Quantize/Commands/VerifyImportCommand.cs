using System.CommandLine;
using System.Globalization;
using Edge.Inference;
using Edge.Onnx.OnnxRuntime;
using Edge.Quantize.Calibration;
using Edge.Quantize.Import;
using Edge.Training.Reference;

namespace Edge.Quantize.Commands;

/// <summary>
/// <c>verify-import</c>: runs an ONNX file over a whole sequence on ONNX Runtime, and what is made of it step by step, and compares.
/// </summary>
internal static class VerifyImportCommand
{
    internal static Command Create(TextWriter output)
    {
        var model = new Argument<string>("MODEL") { Description = "An ONNX model." };
        var input = new Option<string>("--input")
        {
            Description = "Rows of inputs as the model takes them, little-endian float32: the readings, then the number of a symbol if it "
                + "takes one. If the name ends in .i64: symbols, int64.",
            Required = true,
        };
        var command = new Command(
            "verify-import",
            "Compares an ONNX model, run over the whole sequence at once, with its import and its step graph, run row by row.")
        {
            model,
            input,
        };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(model);
            try
            {
                byte[] bytes = FileBytes.Read(path, "Model", FloatModels.FileMaxBytes);
                using var sequence = new OnnxSequence(bytes, Path.GetDirectoryName(Path.GetFullPath(path)));
                ReadOnlySpan<float> rows = RawRows.Read(parsed.GetRequiredValue(input), "Input", sequence.InputCount);
                int count = rows.Length / sequence.InputCount;
                float[][] original = sequence.Run(rows, count);
                output.WriteLine($"{Quantity.Of(count, "row")} at once on ONNX Runtime {OnnxLibrary.Version}.");
                ImportDifference stepped = ImportCheck.Of(original, path, rows);
                if (stepped.Largest > ImportCheck.ToleranceOf(sequence))
                {
                    original = ImportCheck.SteadyPart(sequence, original, rows);
                    stepped = ImportCheck.Of(original, path, rows);
                }

                output.WriteLine($"engine: onnx, row by row: {Text(stepped)}");
                double tolerance = ImportCheck.ToleranceOf(sequence);
                bool isRight = stepped.Largest <= tolerance;
                try
                {
                    FloatModel float32 = FloatModels.Load(path);
                    ImportDifference imported = ImportCheck.Of(original, float32, rows);
                    if (imported.Largest > tolerance)
                    {
                        original = ImportCheck.SteadyPart(sequence, original, rows);
                        imported = ImportCheck.Of(original, float32, rows);
                    }

                    output.WriteLine($"float import, row by row: {Text(imported)}");
                    isRight &= imported.Largest <= tolerance;
                }
                catch (InputException e)
                {
                    output.WriteLine($"no import: {e.Message}");
                }

                if (original.Length < count)
                {
                    output.WriteLine($"From row {original.Length} on the model itself magnifies rounding: these rows are not compared.");
                }

                if (sequence.HasDynamicScales)
                {
                    output.WriteLine(
                        "DynamicQuantizeLSTM rounds its inputs to 8 bits by the range of all rows of a call, so steps cannot equal it.");
                }

                return isRight
                    ? 0
                    : throw new InputException(
                        $"Model '{path}' differs by more than {tolerance.ToString(CultureInfo.InvariantCulture)} when it is "
                            + $"stepped row by row. Do not use it in a stream; please report it with the model.");
            }
            catch (ModelFormatException e) when (!e.Message.Contains(path, StringComparison.Ordinal))
            {
                throw new InputException($"Model '{path}': {e.Message}", e);
            }
        });
        return command;
    }

    private static string Text(ImportDifference difference) => string.Create(
        CultureInfo.InvariantCulture,
        $"largest difference {difference.Largest:0.0e+0} in row {difference.Row}, over {difference.Rows} compared rows");
}
