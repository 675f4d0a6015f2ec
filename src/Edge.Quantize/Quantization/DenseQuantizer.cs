using Edge.Inference.Cells;
using Edge.Inference.Reference;
using Edge.Quantize.Calibration;

namespace Edge.Quantize.Quantization;

/// <summary>The dense head to int8 weights per row; its input is the hidden state in Q0.15.</summary>
internal static class DenseQuantizer
{
    internal static Dense Quantise(FloatDense dense, SecondMoment moment)
    {
        var rounding = new CompensatedRounding(moment);
        var weight = new sbyte[dense.Weight.Length];
        var bias = new int[dense.OutputCount];
        var scale = new float[dense.OutputCount];
        int columns = dense.InputCount;
        int[] limit = [.. Enumerable.Repeat(127, columns), 1 << 30];
        var step = new double[columns + 1];
        for (int r = 0; r < dense.OutputCount; r++)
        {
            double[] row = [.. dense.Weight.AsSpan(r * columns, columns).ToArray().Select(value => (double)value), dense.Bias[r]];
            double largest = row[..columns].Max(Math.Abs);

            // The bias shares the accumulator: it may take half of its 31 bits.
            double weightStep = Math.Max(largest / 127, Math.Abs(row[columns]) * Math.ScaleB(1, 15 - 29));
            scale[r] = (float)Math.ScaleB(weightStep, -15);
            step.AsSpan(0, columns).Fill(Math.ScaleB(scale[r], 15));
            step[columns] = scale[r];
            int[] rounded = rounding.Round(row, step, limit);
            for (int j = 0; j < columns; j++)
            {
                weight[(r * columns) + j] = (sbyte)rounded[j];
            }

            bias[r] = rounded[columns];
        }

        return new Dense(columns, dense.OutputCount, weight, bias, scale);
    }
}
