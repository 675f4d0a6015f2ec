using Edge.Inference;
using Edge.Onnx;
using Edge.Onnx.OnnxRuntime;
using Edge.Training.Reference;

namespace Edge.Quantize.Import;

/// <summary>How far a model that steps row by row is from the same file over the whole sequence on ONNX Runtime.</summary>
/// <param name="Rows">Rows compared.</param>
/// <param name="Largest">Largest |difference| of an output, over 1 + |output|.</param>
/// <param name="Row">Where it is, from 0.</param>
internal sealed record ImportDifference(int Rows, double Largest, int Row);

/// <summary>Compares an ONNX file over a whole sequence on ONNX Runtime with what is made of it, step by step.</summary>
internal static class ImportCheck
{
    /// <summary>Largest difference of an import that is right: both add the same float32 numbers in another order.</summary>
    internal const double Tolerance = 1e-4;

    /// <summary>The same where the original rounds its inputs to 8 bits by the range of all rows.</summary>
    internal const double DynamicTolerance = 0.05;

    // Two roundings of a float32.
    private const float Nudge = 1.2e-7f;

    /// <summary>The largest difference that an import of this file may have.</summary>
    internal static double ToleranceOf(OnnxSequence sequence) => sequence.HasDynamicScales ? DynamicTolerance : Tolerance;

    /// <summary>
    /// The part of the original's outputs that an import can be held against. A model whose state has two ways to go magnifies rounding
    /// until it goes the other one: from the first row on in which the original itself changes by a tenth of the tolerance when its inputs
    /// move by two roundings of a float32, a right import may differ as much as a wrong one.
    /// </summary>
    /// <param name="sequence">The original.</param>
    /// <param name="original">Its outputs.</param>
    /// <param name="rows">The rows, one after the other.</param>
    /// <returns>The outputs of the first rows, at least one.</returns>
    internal static float[][] SteadyPart(OnnxSequence sequence, float[][] original, ReadOnlySpan<float> rows)
    {
        float[] nudged = rows.ToArray();
        for (int at = 0; at < nudged.Length; at++)
        {
            nudged[at] += sequence.IsSymbol(at % sequence.InputCount) ? 0 : Nudge * nudged[at];
        }

        float[][] moved = sequence.Run(nudged, original.Length);
        double tolerance = ToleranceOf(sequence) / 10;
        int steady = Array.FindIndex([.. Enumerable.Range(0, original.Length)], row => !IsNear(original[row], moved[row], tolerance));
        return steady < 0 ? original : original[..Math.Max(1, steady)];
    }

    /// <summary>The float import beside the original.</summary>
    /// <param name="original">The outputs of <see cref="OnnxSequence.Run"/>, or the first of them.</param>
    /// <param name="model">The import; its outputs may be the first ones of the file.</param>
    /// <param name="rows">The rows, one after the other.</param>
    internal static ImportDifference Of(float[][] original, FloatModel model, ReadOnlySpan<float> rows)
    {
        var session = new FloatSession(model);
        return Compare(original, model.InputCount, model.OutputCount, rows, session.Step);
    }

    /// <summary>The step graph that engine: onnx runs, beside the original.</summary>
    internal static ImportDifference Of(float[][] original, string path, ReadOnlySpan<float> rows)
    {
        using OnnxModel model = OnnxModel.Load(path, new OnnxOptions());
        int row = model.Open();
        return Compare(original, model.InputCount, model.OutputCount, rows, (inputs, outputs) => model.Step(row, inputs, outputs));
    }

    private static ImportDifference Compare(float[][] original, int inputs, int outputs, ReadOnlySpan<float> rows, StepAction step)
    {
        float[] stepped = new float[outputs];
        var worst = new ImportDifference(0, 0, 0);
        int compared = 0;
        for (int row = 0; row < original.Length; row++)
        {
            try
            {
                step(rows.Slice(row * inputs, inputs), stepped);
            }
            catch (ArgumentException e)
            {
                throw new InputException($"Row {row} of the input: {e.Message}", e);
            }

            if (original[row].Length == 0)
            {
                continue;
            }

            if (original[row].Length < outputs)
            {
                throw new InputException(
                    $"The model has {Quantity.Of(original[row].Length, "output")} on ONNX Runtime, but {outputs} as it is imported.");
            }

            compared++;
            for (int k = 0; k < outputs; k++)
            {
                double difference = Relative(stepped[k], original[row][k]);
                if (!(difference <= worst.Largest))
                {
                    worst = new ImportDifference(0, double.IsNaN(difference) ? double.PositiveInfinity : difference, row);
                }
            }
        }

        return worst with { Rows = compared };
    }

    private static bool IsNear(float[] outputs, float[] moved, double tolerance)
    {
        for (int k = 0; k < outputs.Length; k++)
        {
            if (!(Relative(moved[k], outputs[k]) <= tolerance))
            {
                return false;
            }
        }

        return true;
    }

    private static double Relative(float value, float expected) => Math.Abs((double)value - expected) / (1 + Math.Abs(expected));

    private delegate void StepAction(ReadOnlySpan<float> inputs, Span<float> outputs);
}
