namespace Edge.Inference.Cells;

/// <summary>
/// A regression on the last rows, added to the outputs of the head: y_r += s_r·(Σ_i w_r0i·x_i[t] + Σ_l,i w_rli·d_li + Σ_m v_rm·e_cm) + b_r,
/// where d_li is x_i[t - lag_l] - x_i[t] and e_cm is x_c[t - m] - x_c[t] of the output's own column c, for m from 1 to
/// <see cref="OwnLags"/>; both clamped to what they were at most in training: a reading that jumps is not carried on. int16 inputs and
/// weights, an exact int64 sum. It is the autoregressive part beside a recurrent net of Lai et al., "Modeling long- and short-term
/// temporal patterns with deep neural networks" (2018): the recurrent layers have only to learn what a regression cannot say.
/// </summary>
internal sealed class LagRegression
{
    /// <summary>Most rows that are kept.</summary>
    internal const int RowsMax = 4096;

    private const double DaySeconds = 86_400;
    private const double WeekSeconds = 7 * DaySeconds;

    /// <summary>Inputs of a row, I.</summary>
    internal required int InputCount { get; init; }

    internal required int OutputCount { get; init; }

    /// <summary>How many rows ago, ascending from 0 on, each once; L of them.</summary>
    internal required int[] Lags { get; init; }

    /// <summary>int16 [O, L, I].</summary>
    internal required short[] Weight { get; init; }

    /// <summary>int16 [L, I], not negative: the largest |d|; of lag 0 it is not used.</summary>
    internal required short[] Limit { get; init; }

    /// <summary>float32 [O]: output per unit of the sum.</summary>
    internal required float[] Scale { get; init; }

    /// <summary>float32 [O].</summary>
    internal required float[] Bias { get; init; }

    /// <summary>How many of the last rows an output reads of its own column only, M; 0 for none.</summary>
    internal int OwnLags { get; init; }

    /// <summary>[O]: the own column of each output; empty if <see cref="OwnLags"/> is 0.</summary>
    internal int[] OwnColumn { get; init; } = [];

    /// <summary>int16 [O, M].</summary>
    internal short[] OwnWeight { get; init; } = [];

    /// <summary>int16 [I, M], not negative: the largest |e|.</summary>
    internal short[] OwnLimit { get; init; } = [];

    /// <summary>Rows of the ring: the present one and those before it.</summary>
    internal int RowCount => Math.Max(Lags[^1], OwnLags) + 1;

    /// <summary>int16 values that a step needs.</summary>
    internal int ScratchCount => Limit.Length + OwnLimit.Length;

    /// <summary>int16 values of a stream's state: which rows are known, then the rows, the newest first.</summary>
    internal int StateCount => 1 + (RowCount * InputCount);

    /// <summary>Takes a row and adds to the outputs. Rows that are not known are like the present one.</summary>
    /// <param name="state">[<see cref="StateCount"/>].</param>
    /// <param name="x">[I].</param>
    /// <param name="scratch">[<see cref="ScratchCount"/>].</param>
    /// <param name="outputs">[O].</param>
    internal void Step(Span<short> state, ReadOnlySpan<short> x, Span<short> scratch, Span<float> outputs)
    {
        ReadOnlySpan<short> rows = LagRows.Push(state, x);
        ReadDifferences(rows, x, scratch);
        Span<short> own = scratch[Limit.Length..];
        for (int i = 0; OwnLags > 0 && i < InputCount; i++)
        {
            ReadOwnDifferences(rows, x, i, 0, own);
        }

        for (int r = 0; r < outputs.Length; r++)
        {
            long sum = Dot(Weight.AsSpan(r * Limit.Length, Limit.Length), scratch);
            if (OwnLags > 0)
            {
                sum += Dot(OwnWeight.AsSpan(r * OwnLags, OwnLags), own[(OwnColumn[r] * OwnLags)..]);
            }

            outputs[r] += (sum * Scale[r]) + Bias[r];
        }
    }

    /// <summary>
    /// Rows were missed: they are taken to have been as those a week before, or a day, if so many are kept and known. After more than a
    /// week no row is known.
    /// </summary>
    /// <param name="state">[<see cref="StateCount"/>].</param>
    /// <param name="missed">How many, at least 1.</param>
    /// <param name="periodSeconds">Seconds from row to row.</param>
    internal void Skip(Span<short> state, long missed, double periodSeconds)
    {
        if (missed * periodSeconds > WeekSeconds)
        {
            LagRows.Forget(state);
            return;
        }

        int known = LagRows.Known<short>(state, InputCount);
        int week = SeasonRows(WeekSeconds, periodSeconds);
        int day = SeasonRows(DaySeconds, periodSeconds);
        LagRows.Skip(state, InputCount, missed, week > 0 && week <= known ? week : day);
    }

    private int SeasonRows(double seconds, double periodSeconds)
    {
        double rows = Math.Round(seconds / periodSeconds);
        return rows >= 2 && rows < RowCount ? (int)rows : 0;
    }

    /// <summary>x_i[t], then d_li of each later lag.</summary>
    /// <param name="rows">The last rows, the newest first.</param>
    /// <param name="x">[I].</param>
    /// <param name="read">Receives [L, I].</param>
    internal void ReadDifferences(ReadOnlySpan<short> rows, ReadOnlySpan<short> x, Span<short> read)
    {
        x.CopyTo(read);
        for (int l = 1; l < Lags.Length; l++)
        {
            ReadOnlySpan<short> row = rows.Slice(Lags[l] * InputCount, InputCount);
            ReadOnlySpan<short> limits = Limit.AsSpan(l * InputCount, row.Length);
            Span<short> differences = read.Slice(l * InputCount, row.Length);
            for (int i = 0; i < differences.Length; i++)
            {
                differences[i] = Difference(row[i], x[i], limits[i]);
            }
        }
    }

    /// <summary>e_im of one column.</summary>
    /// <param name="rows">The last rows, the newest first.</param>
    /// <param name="x">[I].</param>
    /// <param name="column">i.</param>
    /// <param name="begin">m - 1 of the first one; those before are left alone.</param>
    /// <param name="own">Receives [I, M], of these the rest of row i.</param>
    internal void ReadOwnDifferences(ReadOnlySpan<short> rows, ReadOnlySpan<short> x, int column, int begin, Span<short> own)
    {
        Span<short> differences = own.Slice(column * OwnLags, OwnLags);
        ReadOnlySpan<short> limits = OwnLimit.AsSpan(column * OwnLags, differences.Length);
        int at = ((begin + 1) * InputCount) + column;
        for (int m = begin; m < differences.Length; m++, at += InputCount)
        {
            differences[m] = Difference(rows[at], x[column], limits[m]);
        }
    }

    /// <summary>Refuses parameters with which a step could produce a value that is not finite.</summary>
    internal void Validate()
    {
        AccumulatorBound.RequireWeights("lags.weight", Weight, 32768);
        AccumulatorBound.RequireWeights("lags.own_weight", OwnWeight, 32768);
        if (Array.Exists(Limit, limit => limit < 0) || Array.Exists(OwnLimit, limit => limit < 0))
        {
            throw new ModelFormatException(
                "lags.limit or lags.own_limit holds a negative limit. The file is damaged or not made by edge-quantize.");
        }

        for (int r = 0; r < OutputCount; r++)
        {
            // The sum of 4096·4096 + 4096 products of 30 bits each lies within 55 bits.
            if (!float.IsFinite(Scale[r] * 36028797018963968f) || Scale[r] < 0 || !float.IsFinite(Bias[r]))
            {
                throw new ModelFormatException(
                    $"lags.scale or lags.bias: element {r} is {Scale[r]} or {Bias[r]}; a scale is finite and not negative, a bias finite. "
                        + $"The file is damaged or not made by edge-quantize.");
            }
        }

        if (Array.Exists(OwnColumn, column => column < 0 || column >= InputCount))
        {
            throw new ModelFormatException(
                $"lags.own_column holds a column that is none of the {InputCount} inputs. The file is damaged or not made by "
                    + "edge-quantize.");
        }

        if (Lags[0] != 0 || Lags.Zip(Lags.Skip(1)).Any(pair => pair.First >= pair.Second))
        {
            throw new ModelFormatException("lags: 'at' must ascend from 0 on. The file is damaged or not made by edge-quantize.");
        }
    }

    private static short Difference(int then, int now, int limit) => (short)Math.Min(Math.Max(then - now, -limit), limit);

    private static long Dot(ReadOnlySpan<short> weights, ReadOnlySpan<short> values)
    {
        long sum = 0;
        for (int j = 0; j < weights.Length; j++)
        {
            sum += weights[j] * values[j];
        }

        return sum;
    }
}
