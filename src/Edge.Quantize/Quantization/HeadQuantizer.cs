using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Training.Reference;

namespace Edge.Quantize.Quantization;

/// <summary>The dense head to int16 weights per row; its input is the last layer's int16 output.</summary>
internal static class HeadQuantizer
{
    internal static DenseHead Quantize(FloatDense dense, int inputFractionBits, CompensatedRounding rounding)
    {
        int columns = dense.InputCount;
        var weight = new short[dense.Weight.Length];
        var bias = new int[dense.UnitCount];
        var scale = new float[dense.UnitCount];
        int[] limit = [.. Enumerable.Repeat((int)short.MaxValue, columns), 1 << 29];
        var step = new double[columns + 1];
        for (int r = 0; r < dense.UnitCount; r++)
        {
            double[] row = [.. dense.Weight.AsSpan(r * columns, columns).ToArray().Select(value => (double)value), dense.Bias[r]];
            double largest = row[..columns].Max(Math.Abs);
            double sum = row[..columns].Sum(Math.Abs);

            // The bias shares the accumulator: it may take a quarter of its range, the products half, and compensation moves weights a
            // little.
            double weightStep = Math.Max(
                Math.Max(largest / short.MaxValue, sum / ((1 << 15) - (2 * columns))),
                Math.Abs(row[columns]) * Math.ScaleB(1, inputFractionBits - 29));
            scale[r] = (float)Math.ScaleB(weightStep, -inputFractionBits);
            step.AsSpan(0, columns).Fill(Math.ScaleB(scale[r], inputFractionBits));
            step[columns] = scale[r];
            int[] rounded = rounding.Round(row, step, limit);
            for (int j = 0; j < columns; j++)
            {
                weight[(r * columns) + j] = (short)rounded[j];
            }

            bias[r] = rounded[columns];
        }

        return new DenseHead
        {
            InputCount = columns,
            OutputCount = dense.UnitCount,
            Weight = weight,
            Bias = bias,
            Scale = scale,
            Activation = dense.Segments is null ? Activation(dense.Activation) : OutputActivation.Linear,
            Segments = dense.Segments?.Select(segment => new HeadSegment(segment.Count, Activation(segment.Activation))).ToArray(),
        };
    }

    private static OutputActivation Activation(FloatActivation activation) => activation.Function switch
    {
        FloatFunction.Affine => OutputActivation.Linear,
        FloatFunction.Relu => OutputActivation.Relu,
        FloatFunction.Sigmoid => OutputActivation.Sigmoid,
        FloatFunction.Tanh => OutputActivation.Tanh,
        FloatFunction.Softmax => OutputActivation.Softmax,
        FloatFunction.LogSoftmax => OutputActivation.LogSoftmax,
        _ => throw new InputException(
            $"The last layer has the activation {activation.Function} beside others, which is not supported in int8. Supported there: "
                + $"Sigmoid, Tanh, Relu, Softmax and LogSoftmax."),
    };
}
