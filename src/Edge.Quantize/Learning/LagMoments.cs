using Edge.Training.Numerics;

namespace Edge.Quantize.Learning;

/// <summary>
/// Second moments of [x_i[t - lag] for every lag and column, the calendar, 1] and of the targets with them, over some rows: all that fitting and judging
/// a linear regression needs.
/// </summary>
internal sealed class LagMoments
{
    // Rows of features that are multiplied at once.
    private const int Block = 512;

    // Enough for a few hundred weights; more rows cost time without a measurable effect.
    private const int RowsMax = 40_000;

    private LagMoments(int features, int outputs)
    {
        Features = features;
        Gram = new double[features * features];
        Moment = [.. Enumerable.Range(0, outputs).Select(_ => new double[features])];
        Squares = new double[outputs];
    }

    /// <summary>Features, K: lags · columns, the calendar, 1.</summary>
    internal int Features { get; }

    /// <summary>Mean of feature·feature, [K, K].</summary>
    internal double[] Gram { get; }

    /// <summary>Mean of feature·target, [K] of each output.</summary>
    internal double[][] Moment { get; }

    /// <summary>Mean of target² of each output.</summary>
    internal double[] Squares { get; }

    /// <summary>Rows that all targets are known of.</summary>
    internal int Count { get; private set; }

    /// <summary>Takes the rows whose targets are all known.</summary>
    /// <param name="rows">The recording.</param>
    /// <param name="targets">What is to be forecast.</param>
    /// <param name="lags">How many rows ago.</param>
    /// <param name="range">First and one past the last row; targets beyond are not known.</param>
    /// <param name="takes">Which rows.</param>
    internal static LagMoments Of(
        TrainingRows rows, ForecastTargets targets, int[] lags, (int Begin, int End) range, Func<int, bool> takes)
    {
        (int begin, int end) = range;
        int columns = rows.Columns.Count;
        int calendar = rows.Width - columns;
        int features = (lags.Length * columns) + calendar + 1;
        int outputs = targets.Outputs.Count;
        var moments = new LagMoments(features, outputs);
        int every = 1 + ((end - begin) / RowsMax);
        var block = new float[Block * features];
        var wanted = new float[Block * outputs];
        var gram = new float[features * features];
        var cross = new float[features * outputs];
        int filled = 0;
        for (int row = Math.Max(begin, lags[^1]); row < end; row += every)
        {
            if (!takes(row) || !TryTargets(targets, row, end, wanted.AsSpan(filled * outputs, outputs)))
            {
                continue;
            }

            Span<float> line = block.AsSpan(filled * features, features);
            for (int l = 0; l < lags.Length; l++)
            {
                rows.Row(row - lags[l])[..columns].CopyTo(line[(l * columns)..]);
            }

            rows.Row(row)[columns..].CopyTo(line[(lags.Length * columns)..]);
            line[^1] = 1;
            if (++filled == Block)
            {
                moments.Take(block, wanted, gram, cross, filled);
                filled = 0;
            }
        }

        moments.Take(block, wanted, gram, cross, filled);
        moments.Divide();
        return moments;
    }

    /// <summary>Mean square error of weights.</summary>
    /// <param name="weights">[K].</param>
    /// <param name="output">Which output.</param>
    internal double MeanSquareError(double[] weights, int output)
    {
        double sum = Squares[output];
        for (int i = 0; i < Features; i++)
        {
            if (weights[i] == 0)
            {
                continue;
            }

            double product = 0;
            ReadOnlySpan<double> line = Gram.AsSpan(i * Features, Features);
            for (int j = 0; j < Features; j++)
            {
                product += line[j] * weights[j];
            }

            sum += weights[i] * (product - (2 * Moment[output][i]));
        }

        return Math.Max(0, sum);
    }

    /// <summary>The moments over the rows of both.</summary>
    internal LagMoments With(LagMoments other)
    {
        var both = new LagMoments(Features, Squares.Length) { Count = Count + other.Count };
        double share = (double)Count / Math.Max(1, both.Count);
        Mix(Gram, other.Gram, both.Gram);
        Mix(Squares, other.Squares, both.Squares);
        for (int k = 0; k < Moment.Length; k++)
        {
            Mix(Moment[k], other.Moment[k], both.Moment[k]);
        }

        return both;

        void Mix(double[] mine, double[] others, double[] into)
        {
            for (int at = 0; at < into.Length; at++)
            {
                into[at] = (share * mine[at]) + ((1 - share) * others[at]);
            }
        }
    }

    private static bool TryTargets(ForecastTargets targets, int row, int end, Span<float> into)
    {
        for (int k = 0; k < into.Length; k++)
        {
            into[k] = targets.Of(row, k, end);
            if (float.IsNaN(into[k]))
            {
                return false;
            }
        }

        return true;
    }

    private void Take(float[] block, float[] wanted, float[] gram, float[] cross, int count)
    {
        int outputs = Squares.Length;
        gram.AsSpan().Clear();
        cross.AsSpan().Clear();
        MatrixProduct.AddTransposed(block, block, gram, Features, count, Features);
        MatrixProduct.AddTransposed(block, wanted, cross, Features, count, outputs);
        for (int at = 0; at < gram.Length; at++)
        {
            Gram[at] += gram[at];
        }

        for (int at = 0; at < cross.Length; at++)
        {
            Moment[at % outputs][at / outputs] += cross[at];
        }

        for (int at = 0; at < count * outputs; at++)
        {
            Squares[at % outputs] += (double)wanted[at] * wanted[at];
        }

        Count += count;
    }

    private void Divide()
    {
        double share = 1.0 / Math.Max(1, Count);
        foreach (double[] sums in Moment.Append(Gram).Append(Squares))
        {
            for (int at = 0; at < sums.Length; at++)
            {
                sums[at] *= share;
            }
        }
    }
}
