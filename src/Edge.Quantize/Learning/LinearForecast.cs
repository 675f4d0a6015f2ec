using Edge.Inference.Models;
using Edge.Training.Numerics;
using Edge.Training.Reference;
using MathNet.Numerics.LinearAlgebra;

namespace Edge.Quantize.Learning;

/// <summary>
/// A linear forecast from the last rows for each output: a mean of the last value and of ridge regressions (Hoerl and Kennard 1970) on few
/// or many lags, of all columns or of the output's own, shrunk towards zero or towards the last value. Each counts by how close it comes to
/// the best one on rows that were not fitted: what is nearly as good is nearly as likely to be right later.
/// </summary>
internal sealed class LinearForecast
{
    /// <summary>Lags of the baseline that every report names.</summary>
    internal const int BaselineLags = 24;

    // Most weights of one regression.
    private const int FeaturesMax = 700;

    /// <summary>
    /// Whether a stream keeps enough rows to look so far back, and the recording is long enough to learn what that is worth.
    /// </summary>
    /// <param name="lag">Rows back.</param>
    /// <param name="width">Values of a row.</param>
    /// <param name="trainRows">Rows to learn from.</param>
    internal static bool Reaches(double lag, int width, int trainRows) => lag > 0 && lag < trainRows / 5.0 && (lag + 1) * width <= StateMax;

    // Enough for a few hundred weights; more rows cost time without a measurable effect.
    private const int RowsMax = 40_000;

    // More rows are thinned where the largest difference to each of hundreds of rows is sought.
    private const int LimitRowsMax = 100_000;

    // Most values that a stream keeps of its last rows.
    private const int StateMax = 16_384;

    // A forecast whose square error is greater than the best one's by this share counts 1/e of it.
    private const double Closeness = 0.02;
    /// <summary>A penalty may cost this share of the least square error; the baseline gets the best one.</summary>
    internal const double NearlyAsGood = 0.01;

    // Rows of the own column must take so much off the square error, mean over the outputs: they cost time at every step.
    private const double WorthOwnLags = 0.01;

    private static readonly int[] Priors = [0, 1];
    private static readonly double[] Penalties = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1];

    private readonly TrainingRows _rows;
    private readonly IReadOnlyList<ModelOutput> _outputs;
    private readonly List<Family> _families = [];
    private readonly double[] _lastValue;
    private IReadOnlyList<OwnLagMember>[] _own;
    private readonly int _features;
    private int _ownLags;

    private LinearForecast(TrainingRows rows, ForecastTargets targets, int[] lags, int ownLags)
    {
        (_rows, _outputs, Lags, _ownLags) = (rows, targets.Outputs, lags, ownLags);
        _own = [.. _outputs.Select(_ => (IReadOnlyList<OwnLagMember>)[])];
        _lastValue = new double[_outputs.Count];
        _features = (lags.Length * rows.Columns.Count) + (rows.Width - rows.Columns.Count) + 1;
    }

    /// <summary>How many rows ago, ascending from 0 on.</summary>
    internal int[] Lags { get; }

    /// <summary>Fits and weighs: see <see cref="RollingOrigin"/>.</summary>
    /// <param name="rows">The recording.</param>
    /// <param name="targets">What to forecast.</param>
    /// <param name="most">Most rows back; null for as many as help.</param>
    internal static LinearForecast Fit(TrainingRows rows, ForecastTargets targets, int? most = null)
    {
        int[] within = [.. ChooseLags(rows, targets).Where(lag => lag < (most ?? int.MaxValue))];
        var forecast = new LinearForecast(rows, targets, within, OwnLagForecast.Reach(rows, most ?? int.MaxValue));
        int columns = rows.Columns.Count;
        int few = forecast.Lags.Count(lag => lag < BaselineLags);
        foreach (int lags in new[] { few, forecast.Lags.Length }.Distinct())
        {
            forecast.Add([.. Enumerable.Range(0, lags * columns)], -1, readsFew: lags == few);
            for (int column = 0; column < columns && columns > 1; column++)
            {
                int own = column;
                forecast.Add([.. Enumerable.Range(0, lags).Select(l => (l * columns) + own)], column, readsFew: lags == few);
            }
        }

        forecast.FitAll(targets, NearlyAsGood);
        forecast.TryOwnLags(targets);
        return forecast;
    }

    /// <summary>Whether many rows of an output's own column take enough off the error.</summary>
    internal bool ReadsOwnLags => _ownLags > 0;

    /// <summary>The forecast as part of a model.</summary>
    /// <param name="withOwnLags">Whether it may read many rows of each output's own column.</param>
    internal FloatLagRegression ToRegression(bool withOwnLags = true)
    {
        (double[] Weights, double[] Own)[] means = [.. Enumerable.Range(0, _outputs.Count).Select(k => Mean(k, withOwnLags))];
        FloatLagRegression regression = Regression(k => means[k].Weights);
        return !withOwnLags || !ReadsOwnLags ? regression : regression with
        {
            Own = new FloatOwnLags(
                _ownLags, [.. _outputs.Select(output => output.Column)],
                [.. means.SelectMany(mean => mean.Own.Skip(1).Select(weight => (float)weight))], OwnLimits()),
        };
    }

    /// <summary>Ridge on 24 lags of all columns alone: what every model is measured against.</summary>
    internal static FloatLagRegression Baseline(TrainingRows rows, ForecastTargets targets)
    {
        int columns = rows.Columns.Count;
        int lags = Math.Clamp(FeaturesMax / columns, 1, BaselineLags);
        var forecast = new LinearForecast(rows, targets, [.. Enumerable.Range(0, lags)], 0);
        forecast.Add([.. Enumerable.Range(0, lags * columns)], -1, readsFew: true, withCalendar: false);
        forecast.FitAll(targets, nearly: 0);
        return forecast.Regression(k => forecast._families[0].Weights[k][0]!);
    }

    // 0 to 23, and the same time of the days before, now and at the time to forecast, where a day is not too many rows; fewer if there are
    // many columns. What else lies further back than 24 rows is the net's, which forgets a fault sooner than a regression does, or
    // OwnLagForecast's.
    private static int[] ChooseLags(TrainingRows rows, ForecastTargets targets)
    {
        int columns = rows.Columns.Count;
        var lags = new SortedSet<int>(Enumerable.Range(0, BaselineLags));
        var more = new List<int>();
        double day = TimeSpan.FromDays(1) / rows.Period;
        for (int days = 1; days <= 7 && Math.Abs(day - Math.Round(day)) < 1e-6; days++)
        {
            int before = (int)Math.Round(day) * days;
            more.AddRange([before - 1, before, before + 1]);
            more.AddRange(targets.Outputs.Select(output => before - output.TicksAhead).Distinct());
        }

        foreach (int lag in more.Where(lag => Reaches(lag, rows.Width, rows.TrainEnd)))
        {
            if ((lags.Count + 1) * columns < FeaturesMax)
            {
                lags.Add(lag);
            }
        }

        return [.. lags.Take(Math.Max(1, FeaturesMax / columns))];
    }

    private void Add(int[] features, int column, bool readsFew, bool withCalendar = true)
    {
        int calendar = withCalendar ? _rows.Width - _rows.Columns.Count : 0;
        int[] at = [.. features, .. Enumerable.Range(Lags.Length * _rows.Columns.Count, calendar), _features - 1];
        int[] outputs = [.. Enumerable.Range(0, _outputs.Count).Where(k => column < 0 || _outputs[k].Column == column)];
        _families.Add(new Family(at, outputs, _outputs.Count, readsFew));
    }

    // Towards zero and towards the last value: the best penalty for each output.
    private void FitAll(ForecastTargets targets, double nearly)
    {
        // All are judged on the same rows, which come after the longest lag. What reads few rows is fitted to the rows before that, too.
        LagMoments before = LagMoments.Of(_rows, targets, Lags, 0, Lags[^1], RowsMax);
        LagMoments beforeOfFew = LagMoments.Of(_rows, targets, Lags, 0, LastOfFew, RowsMax, until: Lags[^1]);
        beforeOfFew.Add(before);
        double rows = 1e-9;
        for (int origin = 0; origin < RollingOrigin.Count; origin++)
        {
            LagMoments next = LagMoments.Of(_rows, targets, Lags, origin + 1, Lags[^1], RowsMax);
            foreach (Family family in _families)
            {
                for (int p = 0; p < Penalties.Length; p++)
                {
                    int which = p;
                    Each(Fitted(family), family, Penalties[p], (k, prior, weights) =>
                        family.Errors[which, prior, k] += next.Count * next.MeanSquareError(weights, k));
                }
            }

            for (int k = 0; k < _lastValue.Length; k++)
            {
                _lastValue[k] += next.Count * next.MeanSquareError(LastValue(k), k);
            }

            rows += next.Count;
            if (origin < RollingOrigin.Count - 1)
            {
                before.Add(next);
                beforeOfFew.Add(next);
            }
        }

        for (int k = 0; k < _lastValue.Length; k++)
        {
            _lastValue[k] /= rows;
        }

        foreach (Family family in _families)
        {
            family.Choose(rows, nearly);
            for (int p = 0; p < Penalties.Length; p++)
            {
                if (family.Uses(p))
                {
                    int which = p;
                    Each(Fitted(family), family, Penalties[p], (k, prior, weights) => family.Take(which, prior, k, weights));
                }
            }
        }

        LagMoments Fitted(Family family) => family.ReadsFew ? beforeOfFew : before;
    }

    // The last of the lags that a family of few rows reads.
    private int LastOfFew => Lags.Last(lag => lag < BaselineLags);

    private double[] LastValue(int output)
    {
        var last = new double[_features];
        last[_outputs[output].Column] = 1;
        return last;
    }

    // Solves for every output, towards zero (prior 0) and towards the last value (prior 1).
    private void Each(LagMoments moments, Family family, double penalty, Action<int, int, double[]> take)
    {
        (int[] at, int[] outputs) = (family.At, family.Outputs);
        int n = at.Length;
        Matrix<double> gram = Matrix<double>.Build.Dense(
            n, n, (i, j) => moments.Gram[(at[i] * moments.Features) + at[j]] + (i == j ? (i == n - 1 ? 1e-9 : penalty) : 0));
        var solver = PositiveDefinite.Factorize(gram);
        Matrix<double> plain = solver.Solve(
            Matrix<double>.Build.Dense(n, outputs.Length, (i, o) => moments.Moment[outputs[o]][at[i]]));

        // What the last value would need of the same features: solved once for each column, not for each output.
        int[] columns = [.. outputs.Select(k => _outputs[k].Column).Distinct()];
        Matrix<double> last = solver.Solve(
            Matrix<double>.Build.Dense(n, columns.Length, (i, c) => moments.Gram[(at[i] * moments.Features) + columns[c]]));
        for (int o = 0; o < outputs.Length; o++)
        {
            int of = _outputs[outputs[o]].Column;
            int c = Array.IndexOf(columns, of);
            take(outputs[o], 0, Spread(i => plain[i, o], at, -1));
            take(outputs[o], 1, Spread(i => plain[i, o] - last[i, c], at, of));
        }
    }

    private double[] Spread(Func<int, double> weight, int[] at, int last)
    {
        var spread = new double[_features];
        for (int i = 0; i < at.Length; i++)
        {
            spread[at[i]] = weight(i);
        }

        if (last >= 0)
        {
            spread[last] += 1;
        }

        return spread;
    }

    // The square error of an output's best forecast that reads all columns or few rows.
    private double Least(int output) =>
        Math.Max(Math.Min(_lastValue[output], _families.Min(family => family.Error[output].Min())), 1e-12);

    private void TryOwnLags(ForecastTargets targets)
    {
        if (_ownLags == 0)
        {
            return;
        }

        IReadOnlyList<OwnLagMember>[] own = OwnLagForecast.Fit(_rows, targets, _ownLags);
        double gain = Enumerable.Range(0, own.Length).Average(k => Math.Max(0, 1 - (own[k].Min(member => member.Error) / Least(k))));
        (_own, _ownLags) = gain >= WorthOwnLags ? (own, _ownLags) : (_own, 0);
    }

    // The weights of the rows of all columns, to which that of the present value of the own column is added; and [M + 1] of the own column.
    private (double[] Weights, double[] Own) Mean(int output, bool withOwnLags)
    {
        IReadOnlyList<OwnLagMember> owns = withOwnLags ? _own[output] : [];
        int column = _outputs[output].Column;
        var members = new List<(double Error, double[] Weights)> { (_lastValue[output], LastValue(output)) };
        members.AddRange(
            from family in _families
            from prior in Priors
            where family.Weights[output][prior] is not null
            select (family.Error[output][prior], family.Weights[output][prior]!));
        double least = Math.Min(Least(output), owns.Select(member => member.Error).DefaultIfEmpty(double.PositiveInfinity).Min());
        var mean = new double[_features];
        var own = new double[_ownLags + 1];
        double total = 0;
        foreach ((double error, double[] weights) in members)
        {
            Add(mean, weights, Share(error));
        }

        foreach (OwnLagMember member in owns)
        {
            double share = Share(member.Error);
            Add(own, member.Weights.AsSpan(0, own.Length), share);
            mean[^1] += share * member.Weights[^1];
        }

        // A regression on differences gives the present value the weight of all.
        mean[column] += own.Sum();
        return ([.. mean.Select(weight => weight / total)], [.. own.Select(weight => weight / total)]);

        double Share(double error)
        {
            double share = Math.Exp((1 - (error / least)) / Closeness);
            total += share;
            return share;
        }

        static void Add(double[] sum, ReadOnlySpan<double> weights, double share)
        {
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += share * weights[i];
            }
        }
    }

    private FloatLagRegression Regression(Func<int, double[]> weights)
    {
        (int columns, int width) = (_rows.Columns.Count, _rows.Width);
        double[][] rows = [.. Enumerable.Range(0, _outputs.Count).Select(weights)];
        var weight = new float[rows.Length * Lags.Length * width];
        for (int k = 0; k < rows.Length; k++)
        {
            for (int l = 0; l < Lags.Length; l++)
            {
                int at = ((k * Lags.Length) + l) * width;
                for (int i = 0; i < columns; i++)
                {
                    weight[at + i] = (float)rows[k][(l * columns) + i];
                }

                // Of the calendar only the present.
                for (int i = columns; l == 0 && i < width; i++)
                {
                    weight[at + i] = (float)rows[k][(Lags.Length * columns) + i - columns];
                }
            }

            // Of values to of differences from the present: the present gets the weight of all.
            for (int i = 0; i < columns; i++)
            {
                weight[(k * Lags.Length * width) + i] = (float)Enumerable.Range(0, Lags.Length).Sum(l => rows[k][(l * columns) + i]);
            }
        }

        return new FloatLagRegression(Lags, width, weight, Limits(Lags, 1), [.. rows.Select(row => (float)row[^1])]);
    }

    // [lags, width]: the largest differences from lag to present in the training rows, short gaps between them included: a stream has them,
    // too. Lag 0 has none.
    private float[] Limits(int[] lags, int every)
    {
        (int columns, int width) = (_rows.Columns.Count, _rows.Width);
        var limits = new float[lags.Length * width];
        for (int row = 0; row < _rows.TrainEnd; row += every)
        {
            for (int l = 0; l < lags.Length && row >= lags[l]; l++)
            {
                int then = row - lags[l];
                if (_rows.Ticks[row] - _rows.Ticks[then] > 2 * lags[l] || _rows.IsFault[row] || _rows.IsFault[then])
                {
                    continue;
                }

                for (int i = 0; i < columns; i++)
                {
                    int at = (l * width) + i;
                    limits[at] = Math.Max(limits[at], Math.Abs(_rows.Row(then)[i] - _rows.Row(row)[i]));
                }
            }
        }

        return limits;
    }

    // [width, M].
    private float[] OwnLimits()
    {
        float[] limits = Limits([.. Enumerable.Range(1, _ownLags)], 1 + (_rows.TrainEnd / LimitRowsMax));
        var transposed = new float[limits.Length];
        MatrixProduct.Transpose(limits, transposed, _ownLags, _rows.Width);
        return transposed;
    }

    // One set of features: for each output, shrunk towards zero and towards the last value.
    private sealed class Family(int[] at, int[] outputs, int count, bool readsFew)
    {
        private readonly int[,] _penalty = new int[Priors.Length, count];

        internal int[] At => at;

        // Which outputs it forecasts.
        internal int[] Outputs => outputs;

        // Whether it reads no lag beyond those of the baseline.
        internal bool ReadsFew => readsFew;

        internal double[,,] Errors { get; } = new double[Penalties.Length, Priors.Length, count];

        internal double[][] Error { get; } =
            [.. Enumerable.Range(0, count).Select(_ => new[] { double.PositiveInfinity, double.PositiveInfinity })];

        internal double[]?[][] Weights { get; } = [.. Enumerable.Range(0, count).Select(_ => new double[]?[2])];

        // The largest penalty that is nearly as good as the best one: smaller weights pass less of a wrong reading on.
        internal void Choose(double rows, double nearly)
        {
            foreach (int prior in Priors)
            {
                foreach (int k in outputs)
                {
                    double[] errors = [.. Enumerable.Range(0, Penalties.Length).Select(p => Errors[p, prior, k] / rows)];
                    double least = errors.Min();
                    _penalty[prior, k] = Array.FindLastIndex(errors, error => error <= (1 + nearly) * least);
                    Error[k][prior] = least;
                }
            }
        }

        internal bool Uses(int penalty) => _penalty.Cast<int>().Contains(penalty);

        internal void Take(int penalty, int prior, int output, double[] weights)
        {
            if (_penalty[prior, output] == penalty)
            {
                Weights[output][prior] = weights;
            }
        }
    }
}
