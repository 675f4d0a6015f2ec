using System.Buffers;
using Edge.Inference.Cells;

namespace Edge.Training.Reference;

/// <summary>
/// A regression on the last rows, added to the outputs of the head: y_r += Σ_i w_r0i·x_i[t] + Σ_l,i w_rli·d_li + Σ_m v_rm·e_cm + b_r, where
/// d_li is x_i[t - lag_l] - x_i[t] and e_cm is x_c[t - m] - x_c[t] of the output's own column c, m from 1 on, both clamped to their limits.
/// Rows that are not known are like the present one.
/// </summary>
/// <param name="Lags">How many rows ago, ascending from 0 on.</param>
/// <param name="InputCount">I.</param>
/// <param name="Weight">[O, L, I].</param>
/// <param name="Limit">[L, I]; of lag 0 it is not used.</param>
/// <param name="Bias">[O].</param>
internal sealed record FloatLagRegression(int[] Lags, int InputCount, float[] Weight, float[] Limit, float[] Bias)
{
    private const int StackMax = 2048;

    /// <summary>What each output reads of its own column, or null.</summary>
    internal FloatOwnLags? Own { get; init; }

    /// <summary>Rows that are kept.</summary>
    internal int RowCount => Math.Max(Lags[^1], Own?.Lags ?? 0) + 1;

    /// <summary>Floats of state: which rows are known, then the rows, the newest first.</summary>
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

        if (Own is { } own)
        {
            own.Add(rows, x, outputs);
        }
    }
}

/// <summary>What each output reads of the last rows of its own column.</summary>
/// <param name="Lags">How many rows, M: 1 to M rows ago.</param>
/// <param name="Column">[O]: the own column.</param>
/// <param name="Weight">[O, M].</param>
/// <param name="Limit">[I, M].</param>
internal sealed record FloatOwnLags(int Lags, int[] Column, float[] Weight, float[] Limit)
{
    /// <summary>Adds to the outputs.</summary>
    /// <param name="rows">The last rows, the newest first, from <paramref name="x"/> on.</param>
    /// <param name="x">The present row.</param>
    /// <param name="outputs">[O].</param>
    internal void Add(ReadOnlySpan<float> rows, ReadOnlySpan<float> x, Span<float> outputs)
    {
        float[] differences = ArrayPool<float>.Shared.Rent(Limit.Length);
        for (int i = 0; i < x.Length; i++)
        {
            for (int m = 0; m < Lags; m++)
            {
                int at = (i * Lags) + m;
                differences[at] = Math.Clamp(rows[((m + 1) * x.Length) + i] - x[i], -Limit[at], Limit[at]);
            }
        }

        for (int r = 0; r < outputs.Length; r++)
        {
            outputs[r] += FloatDot.Of(Weight.AsSpan(r * Lags, Lags), differences.AsSpan(Column[r] * Lags, Lags));
        }

        ArrayPool<float>.Shared.Return(differences);
    }
}
