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
        int own = lags.Own?.Lags ?? 0;
        var weight = new short[lags.Weight.Length];
        var ownWeight = new short[outputs * own];
        var steps = new float[outputs];
        var bias = new float[outputs];
        for (int r = 0; r < outputs; r++)
        {
            double[] row = [.. Enumerable.Range(0, width).Select(at => lags.Weight[(r * width) + at] * (double)scale[at % scale.Length])];
            double[] ownRow =
                [.. Enumerable.Range(0, own).Select(m => lags.Own!.Weight[(r * own) + m] * (double)scale[lags.Own.Column[r]])];
            double largest = Math.Max(row.Max(Math.Abs), ownRow.Select(Math.Abs).DefaultIfEmpty().Max());
            steps[r] = largest > 0 ? (float)(largest / short.MaxValue) : 0;
            double sum = lags.Bias[r];

            // Of a difference nothing is left of the offset.
            for (int i = 0; i < offset.Length; i++)
            {
                sum += lags.Weight[(r * width) + i] * (double)offset[i];
            }

            bias[r] = (float)sum;
            Round(row, steps[r], weight.AsSpan(r * width, width));
            Round(ownRow, steps[r], ownWeight.AsSpan(r * own, own));
        }

        return new LagRegression
        {
            InputCount = lags.InputCount,
            OutputCount = outputs,
            Lags = lags.Lags,
            Weight = weight,
            Limit = [.. lags.Limit.Select((limit, at) => Limit(limit, scale[at % scale.Length]))],
            Scale = steps,
            Bias = bias,
            OwnLags = own,
            OwnColumn = lags.Own?.Column ?? [],
            OwnWeight = ownWeight,
            OwnLimit = own == 0 ? [] : [.. lags.Own!.Limit.Select((limit, at) => Limit(limit, scale[at / own]))],
        };
    }

    private static short Limit(float limit, float scale) => (short)Math.Clamp(Math.Ceiling(limit / scale), 0, short.MaxValue);

    private static void Round(double[] values, float step, Span<short> into)
    {
        for (int at = 0; at < into.Length; at++)
        {
            into[at] = step > 0 ? (short)Math.Clamp(Math.Round(values[at] / step), -short.MaxValue, short.MaxValue) : (short)0;
        }
    }
}
