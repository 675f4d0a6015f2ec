using MathNet.Numerics.LinearAlgebra;

namespace Edge.Quantize.Learning;

/// <summary>A linear forecast of one output from many of the last rows of its column.</summary>
/// <param name="Error">Mean square error on rows after those that were fitted.</param>
/// <param name="Weights">[M + 1] of the value so many rows ago, then what is always added.</param>
internal sealed record OwnLagMember(double Error, double[] Weights);

/// <summary>
/// Forecasts from many of the last rows of an output's own column alone. Weights that all columns share are learned from the rows of all of
/// them, so that hundreds can be told from chance: Zeng et al., "Are transformers effective for time series forecasting?" (2023). Each
/// column also gets weights of its own; both kinds are fitted to the values and to their differences from the present one.
/// </summary>
internal static class OwnLagForecast
{
    private const int LagsMax = 512;

    // Fewer rows than these the regression on all columns reads, too.
    private const int LagsMin = 2 * LinearForecast.BaselineLags;

    // So many training rows for each lag at least.
    private const int RowsPerLag = 20;

    // Most elements of the matrices of all columns, and rows that are multiplied for them.
    private const double ElementsMax = 4e6;
    private const int RowsMax = 120_000;
    private const int RowsOfColumnMin = 4000;

    private static readonly double[] Penalties = [1e-2, 1e-1, 1];

    /// <summary>How many rows ago such a forecast reads at most, M; 0 where the recording is too short for it.</summary>
    /// <param name="rows">The recording.</param>
    /// <param name="most">Most rows that may be read.</param>
    internal static int Reach(TrainingRows rows, int most)
    {
        int lags = Math.Min(Math.Min(LagsMax, most - 1), rows.TrainEnd / RowsPerLag);
        lags = Math.Min(lags, (int)Math.Sqrt(ElementsMax / rows.Columns.Count));
        while (lags >= LagsMin && !LinearForecast.Reaches(lags, rows.Width, rows.TrainEnd))
        {
            lags--;
        }

        return lags >= LagsMin ? lags : 0;
    }

    /// <summary>Fits and judges: see <see cref="RollingOrigin"/>.</summary>
    /// <param name="rows">The recording.</param>
    /// <param name="targets">What to forecast: the same ticks ahead of each column.</param>
    /// <param name="lags">M, from <see cref="Reach"/>.</param>
    /// <returns>The forecasts of each output.</returns>
    internal static IReadOnlyList<OwnLagMember>[] Fit(TrainingRows rows, ForecastTargets targets, int lags)
    {
        int[] columns = [.. targets.Outputs.Select(output => output.Column).Distinct()];
        var members = new IReadOnlyList<OwnLagMember>[targets.Outputs.Count];
        var own = new Tried[columns.Length];
        var shared = new Tried[columns.Length];
        LagMoments[] before = [.. columns.Select(column => Part(0, column))];
        LagMoments pool = Part(0, columns[0]);
        foreach (LagMoments more in before[1..])
        {
            pool.Add(more);
        }

        for (int origin = 0; origin < RollingOrigin.Count; origin++)
        {
            double[][][] ofAll = columns.Length > 1 ? SolveAll(pool) : [];
            for (int c = 0; c < columns.Length; c++)
            {
                LagMoments next = Part(origin + 1, columns[c]);
                (own[c] ??= new Tried(next.Squares.Length)).Judge(SolveAll(before[c]), next);
                (shared[c] ??= new Tried(next.Squares.Length)).Judge(ofAll, next);
                before[c].Add(next);
                pool.Add(next);
            }
        }

        for (int c = 0; c < columns.Length; c++)
        {
            int o = 0;
            for (int k = 0; k < members.Length; k++)
            {
                if (targets.Outputs[k].Column == columns[c])
                {
                    members[k] = [.. own[c].Members(o), .. shared[c].Members(o)];
                    o++;
                }
            }
        }

        return members;

        LagMoments Part(int part, int column) => LagMoments.Of(
            rows, targets, [.. Enumerable.Range(0, lags + 1)], part, lags, Math.Max(RowsOfColumnMin, RowsMax / columns.Length), column);
    }

    // [values and differences · penalties][outputs][K].
    private static double[][][] SolveAll(LagMoments moments) =>
    [
        .. ((bool[])[false, true]).SelectMany(ofDifferences => Penalties.Select(penalty => Solve(moments, penalty, ofDifferences))),
    ];

    // [outputs][K]: ridge on the values, or on their differences from the present one, which then counts 1 less what they count.
    private static double[][] Solve(LagMoments moments, double penalty, bool ofDifferences)
    {
        int features = moments.Features;
        double[] gram = moments.Gram;
        int first = ofDifferences ? 1 : 0;
        int n = features - first;
        double present = gram[0];
        Matrix<double> left = Matrix<double>.Build.Dense(n, n, (i, j) =>
        {
            double ridge = i == j ? (i == n - 1 ? 1e-9 : penalty) : 0;
            return Less(gram[((i + first) * features) + j + first], i, j) + ridge;
        });
        Matrix<double> right = Matrix<double>.Build.Dense(n, moments.Moment.Length, (i, o) =>
        {
            double moment = moments.Moment[o][i + first];
            return !ofDifferences ? moment
                : i == n - 1 ? moment - gram[features - 1]
                : moment - moments.Moment[o][0] - gram[i + first] + present;
        });
        Matrix<double> solved = PositiveDefinite.Factorize(left).Solve(right);
        double[][] columns = solved.ToColumnArrays();
        return !ofDifferences ? columns : [.. columns.Select(column => (double[])[1 - column[..^1].Sum(), .. column])];

        // Of the last feature, 1, nothing is taken off.
        double Less(double product, int i, int j) => !ofDifferences ? product
            : product - (j < n - 1 ? gram[i + first] : 0) - (i < n - 1 ? gram[j + first] : 0) + (i < n - 1 && j < n - 1 ? present : 0);
    }

    // The errors of what was fitted before each origin, and what was fitted before the last.
    private sealed class Tried(int outputs)
    {
        private readonly double[,] _errors = new double[2 * Penalties.Length, outputs];
        private double[][][] _last = [];
        private double _rows = 1e-9;

        internal void Judge(double[][][] fitted, LagMoments next)
        {
            for (int which = 0; which < fitted.Length; which++)
            {
                for (int o = 0; o < outputs; o++)
                {
                    _errors[which, o] += next.Count * next.MeanSquareError(fitted[which][o], o);
                }
            }

            _rows += next.Count;
            _last = fitted;
        }

        // Of the values and of the differences, the largest penalty that is nearly as good as the best one.
        internal IEnumerable<OwnLagMember> Members(int output)
        {
            for (int first = 0; first < _last.Length; first += Penalties.Length)
            {
                double[] errors = [.. Enumerable.Range(first, Penalties.Length).Select(which => _errors[which, output] / _rows)];
                double least = errors.Min();
                int chosen = Array.FindLastIndex(errors, error => error <= (1 + LinearForecast.NearlyAsGood) * least);
                yield return new OwnLagMember(least, _last[first + chosen][output]);
            }
        }
    }
}
