namespace Edge.Training.Reference;

/// <summary>
/// A linear regression on the last rows, added to the outputs of the head: y_r += Σ w_rli·x_i[t - lag_l] + b_r. Before the first row there
/// were only rows like it.
/// </summary>
/// <param name="Lags">How many rows ago, ascending from 0 on.</param>
/// <param name="InputCount">I.</param>
/// <param name="Weight">[O, L, I].</param>
/// <param name="Bias">[O].</param>
internal sealed record FloatLagRegression(int[] Lags, int InputCount, float[] Weight, float[] Bias)
{
    /// <summary>Rows that are kept.</summary>
    internal int RowCount => Lags[^1] + 1;

    /// <summary>Floats of state: whether it has begun, then the rows, the newest first.</summary>
    internal int StateCount => 1 + (RowCount * InputCount);

    /// <summary>Takes a row and adds to the outputs.</summary>
    internal void Step(Span<float> state, ReadOnlySpan<float> x, Span<float> outputs)
    {
        Span<float> rows = state[1..];
        if (state[0] == 0)
        {
            state[0] = 1;
            for (int at = 0; at < rows.Length; at += InputCount)
            {
                x.CopyTo(rows[at..]);
            }
        }
        else
        {
            rows[..^InputCount].CopyTo(rows[InputCount..]);
            x.CopyTo(rows);
        }

        for (int r = 0; r < outputs.Length; r++)
        {
            float sum = Bias[r];
            for (int l = 0; l < Lags.Length;)
            {
                // Lags that follow each other are one run of memory.
                int first = l++;
                while (l < Lags.Length && Lags[l] == Lags[l - 1] + 1)
                {
                    l++;
                }

                int count = (l - first) * InputCount;
                sum += FloatDot.Of(
                    Weight.AsSpan(((r * Lags.Length) + first) * InputCount, count), rows.Slice(Lags[first] * InputCount, count));
            }

            outputs[r] += sum;
        }
    }
}
