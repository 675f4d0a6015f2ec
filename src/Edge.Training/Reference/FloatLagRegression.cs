using Edge.Inference.Cells;

namespace Edge.Training.Reference;

/// <summary>
/// A regression on the last rows, added to the outputs of the head: y_r += Σ_i w_r0i·x_i[t] + Σ_l,i w_rli·d_li + b_r, where d_li is
/// x_i[t - lag_l] - x_i[t], clamped to ±limit_li. Before the first row there were only rows like it.
/// </summary>
/// <param name="Lags">How many rows ago, ascending from 0 on.</param>
/// <param name="InputCount">I.</param>
/// <param name="Weight">[O, L, I].</param>
/// <param name="Limit">[L, I]; of lag 0 it is not used.</param>
/// <param name="Bias">[O].</param>
internal sealed record FloatLagRegression(int[] Lags, int InputCount, float[] Weight, float[] Limit, float[] Bias)
{
    private const int StackMax = 2048;

    /// <summary>Rows that are kept.</summary>
    internal int RowCount => Lags[^1] + 1;

    /// <summary>Floats of state: whether it has begun, then the rows, the newest first.</summary>
    internal int StateCount => 1 + (RowCount * InputCount);

    /// <summary>Takes a row and adds to the outputs.</summary>
    internal void Step(Span<float> state, ReadOnlySpan<float> x, Span<float> outputs)
    {
        ReadOnlySpan<float> rows = LagRows.Push(state, x);
        Span<float> read = Limit.Length <= StackMax ? stackalloc float[Limit.Length] : new float[Limit.Length];
        x.CopyTo(read);
        for (int l = 1; l < Lags.Length; l++)
        {
            for (int i = 0; i < InputCount; i++)
            {
                int at = (l * InputCount) + i;
                read[at] = Math.Clamp(rows[(Lags[l] * InputCount) + i] - x[i], -Limit[at], Limit[at]);
            }
        }

        for (int r = 0; r < outputs.Length; r++)
        {
            outputs[r] += Bias[r] + FloatDot.Of(Weight.AsSpan(r * read.Length, read.Length), read);
        }
    }
}
