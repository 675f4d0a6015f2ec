using Edge.Inference.Cells;
using Edge.Training.Reference;

namespace Edge.Quantize.Quantization;

/// <summary>A regression on the last rows to int16 weights per output; its input is the int16 reading x_q = (x - offset)/scale.</summary>
internal static class LagQuantizer
{
    internal static LagRegression Quantize(FloatLagRegression lags, float[] offset, float[] scale)
    {
        int outputs = lags.Bias.Length;
        int width = lags.Weight.Length / outputs;
        var weight = new short[lags.Weight.Length];
        var steps = new float[outputs];
        var bias = new float[outputs];
        for (int r = 0; r < outputs; r++)
        {
            double[] row = [.. Enumerable.Range(0, width).Select(at => lags.Weight[(r * width) + at] * (double)scale[at % scale.Length])];
            double largest = row.Max(Math.Abs);
            steps[r] = largest > 0 ? (float)(largest / short.MaxValue) : 0;
            double sum = lags.Bias[r];
            for (int at = 0; at < width; at++)
            {
                // Of a difference nothing is left of the offset.
                sum += at < offset.Length ? lags.Weight[(r * width) + at] * (double)offset[at] : 0;
                weight[(r * width) + at] = steps[r] > 0
                    ? (short)Math.Clamp(Math.Round(row[at] / steps[r]), -short.MaxValue, short.MaxValue)
                    : (short)0;
            }

            bias[r] = (float)sum;
        }

        return new LagRegression
        {
            InputCount = lags.InputCount,
            OutputCount = outputs,
            Lags = lags.Lags,
            Weight = weight,
            Limit =
            [
                .. lags.Limit.Select((limit, at) => (short)Math.Clamp(Math.Ceiling(limit / scale[at % scale.Length]), 0, short.MaxValue)),
            ],
            Scale = steps,
            Bias = bias,
        };
    }
}
