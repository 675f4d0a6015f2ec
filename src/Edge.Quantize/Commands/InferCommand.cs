using System.CommandLine;
using System.Runtime.InteropServices;
using Edge.Inference;
using Edge.Inference.Models;
using Edge.Onnx;
using Edge.Onnx.OnnxRuntime;
using Edge.Quantize.Calibration;
using Edge.Quantize.Import;
using Edge.Training.Reference;

namespace Edge.Quantize.Commands;

/// <summary>
/// <c>infer</c>: runs the model over a raw little-endian float32 matrix, row by row, and keeps the state. No normalization.
/// </summary>
internal static class InferCommand
{
    internal static Command Create(TextWriter output)
    {
        var model = new Argument<string>("MODEL")
        {
            Description = "An int8 model of edge-quantize, or a float model (.onnx, .safetensors, .npz).",
        };
        var input = new Option<string>("--input")
        {
            Description = "Rows of normalized inputs, little-endian float32. If the name ends in .i64: rows of symbols, int64.",
            Required = true,
        };
        var outputPath = new Option<string>("--output") { Description = "File for the outputs, little-endian float32.", Required = true };
        var engine = new Option<string?>("--engine")
        {
            Description = "int8 (default for int8 models), float (default for float models), or onnx: ONNX Runtime on the processor.",
        };
        engine.AcceptOnlyFromAmong("int8", "float", "onnx");
        var kernel = new Option<string?>("--kernel")
        {
            Description =
                $"Kernel of the int8 engine. All give the same result. On this processor: {string.Join(", ", InferenceSession.Kernels)}.",
        };
        var stateIn = new Option<string?>("--state-in") { Description = "Start from this saved state." };
        var stateOut = new Option<string?>("--state-out") { Description = "Save the state after the last row." };
        var command = new Command("infer", "Runs the model over a raw float32 matrix, row by row, and keeps the state from row to row.")
        {
            model,
            input,
            outputPath,
            engine,
            kernel,
            stateIn,
            stateOut,
        };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(model);
            string inputPath = parsed.GetRequiredValue(input);
            RegularFile.RequireApart(
                [parsed.GetRequiredValue(outputPath), parsed.GetValue(stateOut)], [path, inputPath]);
            RegularFile.RequireApart([parsed.GetRequiredValue(outputPath)], [parsed.GetValue(stateIn)]);
            using Stepper stepper = Open(path, parsed.GetValue(engine), parsed.GetValue(kernel));
            if (parsed.GetValue(stateIn) is { } from)
            {
                try
                {
                    stepper.Restore(FileBytes.Read(from, "State"));
                }
                catch (ModelFormatException e)
                {
                    throw new InputException($"State '{from}': {e.Message}", e);
                }
            }

            int rows = Infer(stepper, inputPath, parsed.GetRequiredValue(outputPath));
            if (parsed.GetValue(stateOut) is { } to)
            {
                FileBytes.Write(to, stepper.Save());
            }

            string count = Quantity.Of(rows, "row");
            output.WriteLine($"{count} of {stepper.InputCount} in, {count} of {stepper.OutputCount} out.");
            return 0;
        });
        return command;
    }

    private static Stepper Open(string path, string? engine, string? kernel)
    {
        bool isInt8 = ModelKind.IsInt8(path);
        switch (engine ?? (isInt8 ? "int8" : "float"))
        {
            case "float" when !isInt8:
                var reference = new FloatSession(FloatModels.Load(path));
                return new Stepper(
                    reference.Model.InputCount,
                    reference.Model.OutputCount,
                    reference.Step,
                    reference.Save,
                    bytes => reference.Restore(bytes));
            case "int8" when isInt8:
                InferenceSession session = NewSession(EdgeModel.Load(path), kernel);
                return new Stepper(
                    session.Model.InputCount,
                    session.Model.OutputCount,
                    session.Step,
                    session.Save,
                    bytes => session.Restore(bytes));
            case "float":
                throw new InputException($"'{path}' is an int8 model. --engine float needs the float model it was made from.");
            case "int8":
                throw new InputException(
                    $"'{path}' is a float model. Quantize it first: "
                        + $"edge-quantize quantize {path} --manifest … --calibration … -o model.safetensors.");
            case "onnx" when isInt8:
                throw new InputException($"'{path}' is an int8 model. --engine onnx needs the ONNX file it was made from.");
            default:
                return OpenOnnx(path);
        }
    }

    private static Stepper OpenOnnx(string path)
    {
        OnnxModel model = OnnxModel.Load(path, new OnnxOptions());
        int row = model.Open();
        return new Stepper(
            model.InputCount,
            model.OutputCount,
            (inputs, outputs) => model.Step(row, inputs, outputs),
            () => model.Save(row),
            bytes => model.Restore(row, bytes),
            model);
    }

    private static InferenceSession NewSession(EdgeModel model, string? kernel)
    {
        try
        {
            return new InferenceSession(model, kernel);
        }
        catch (ArgumentException e)
        {
            throw new InputException(e.Message, e);
        }
    }

    private static int Infer(Stepper stepper, string inputPath, string outputPath)
    {
        ReadOnlySpan<float> x = RawRows.Read(inputPath, "Input", stepper.InputCount);
        int rows = x.Length / stepper.InputCount;
        float[] y = new float[rows * stepper.OutputCount];
        for (int row = 0; row < rows; row++)
        {
            try
            {
                stepper.Step(
                    x.Slice(row * stepper.InputCount, stepper.InputCount),
                    y.AsSpan(row * stepper.OutputCount, stepper.OutputCount));
            }
            catch (ArgumentException e)
            {
                throw new InputException($"Input '{inputPath}', row {row}: {e.Message}", e);
            }
        }

        FileBytes.Write(outputPath, MemoryMarshal.AsBytes(y.AsSpan()));
        return rows;
    }

    private delegate void StepAction(ReadOnlySpan<float> inputs, Span<float> outputs);

    private sealed record Stepper(
        int InputCount,
        int OutputCount,
        StepAction Step,
        Func<byte[]> Save,
        Action<byte[]> Restore,
        IDisposable? Owned = null) : IDisposable
    {
        public void Dispose() => Owned?.Dispose();
    }
}
