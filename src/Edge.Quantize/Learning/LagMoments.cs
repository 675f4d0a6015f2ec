using System.Runtime.Intrinsics;
using Edge.Training.Numerics;

namespace Edge.Quantize.Learning;

/// <summary>
/// Second moments of [x_i[t - lag] for every lag and column, the calendar, 1] and of the targets with them, over some rows: all that
/// fitting and judging a linear regression needs.
/// </summary>
internal sealed class LagMoments
{
    // Rows of features that are multiplied at once.
    private const int Block = 512;

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
    /// <param name="part">Which rows: see <see cref="RollingOrigin"/>; targets beyond are not known.</param>
    /// <param name="first">Rows before this one are not taken. What of a lag lies before the first row counts as that row.</param>
    /// <param name="rowsMax">More rows than these in all parts are thinned.</param>
    /// <param name="own">One column alone, with its outputs and no calendar; or null.</param>
    /// <param name="until">Rows from this one on are not taken.</param>
    internal static LagMoments Of(
        TrainingRows rows, ForecastTargets targets, int[] lags, int part, int first, int rowsMax, int? own = null, int until = int.MaxValue)
    {
        (int begin, int end) = RollingOrigin.Part(rows, part);
        int every = 1 + (rows.ValidationEnd / rowsMax);
        int columns = own is null ? rows.Columns.Count : 1;
        int calendar = own is null ? rows.Width - columns : 0;
        int features = (lags.Length * columns) + calendar + 1;
        int[] which = [.. Enumerable.Range(0, targets.Outputs.Count).Where(k => own is null || targets.Outputs[k].Column == own)];
        int outputs = which.Length;
        var moments = new LagMoments(features, outputs);
        var all = new float[targets.Outputs.Count];
        var block = new float[Block * features];
        var wanted = new float[Block * outputs];
        var gram = new float[features * features];
        var cross = new float[features * outputs];
        int filled = 0;
        for (int row = Math.Max(begin, first); row < Math.Min(end, until); row += every)
        {
            if (!TryTargets(targets, row, end, all))
            {
                continue;
            }

            for (int k = 0; k < outputs; k++)
            {
                wanted[(filled * outputs) + k] = all[which[k]];
            }

            Span<float> line = block.AsSpan(filled * features, features);
            for (int l = 0; l < lags.Length; l++)
            {
                rows.Row(Math.Max(0, row - lags[l])).Slice(own ?? 0, columns).CopyTo(line[(l * columns)..]);
            }

            rows.Row(row).Slice(rows.Width - calendar, calendar).CopyTo(line[(lags.Length * columns)..]);
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
            if (weights[i] != 0)
            {
                sum += weights[i] * (Dot(Gram.AsSpan(i * Features, Features), weights) - (2 * Moment[output][i]));
            }
        }

        return Math.Max(0, sum);
    }

    /// <summary>Takes the rows of another, too.</summary>
    internal void Add(LagMoments other)
    {
        double share = (double)Count / Math.Max(1, Count + other.Count);
        Mix(Gram, other.Gram);
        Mix(Squares, other.Squares);
        for (int k = 0; k < Moment.Length; k++)
        {
            Mix(Moment[k], other.Moment[k]);
        }

        Count += other.Count;

        void Mix(double[] mine, double[] others)
        {
            for (int at = 0; at < mine.Length; at++)
            {
                mine[at] = (share * mine[at]) + ((1 - share) * others[at]);
            }
        }
    }

    // Of one width on every processor, so that all add in the same order.
    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        Vector256<double> sums = default;
        int i = 0;
        for (; i + 4 <= a.Length; i += 4)
        {
            sums += Vector256.Create(a[i..]) * Vector256.Create(b[i..]);
        }

        double sum = Vector256.Sum(sums);
        for (; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
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
