using Edge.Inference.Models;
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

    // Most values that a stream keeps of its last rows.
    private const int StateMax = 16_384;

    // A forecast whose square error is greater than the best one's by this share counts 1/e of it.
    private const double Closeness = 0.02;
    // A penalty may cost this share of the least square error; the baseline gets the best one.
    private const double NearlyAsGood = 0.01;

    private static readonly int[] Priors = [0, 1];
    private static readonly double[] Penalties = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 0.3, 1];

    private readonly TrainingRows _rows;
    private readonly IReadOnlyList<ModelOutput> _outputs;
    private readonly LagMoments _fit;
    private readonly LagMoments _judge;
    private readonly LagMoments _all;
    private readonly List<Family> _families = [];

    private LinearForecast(TrainingRows rows, ForecastTargets targets, int[] lags)
    {
        (_rows, _outputs, Lags) = (rows, targets.Outputs, lags);
        _fit = LagMoments.Of(rows, targets, lags, (0, rows.TrainEnd), row => !rows.Chooses(row));
        LagMoments blocks = LagMoments.Of(rows, targets, lags, (0, rows.TrainEnd), rows.Chooses);
        _judge = blocks.With(LagMoments.Of(rows, targets, lags, (rows.TrainEnd, rows.ValidationEnd), _ => true));
        _all = _fit.With(blocks);
    }

    /// <summary>How many rows ago, ascending from 0 on.</summary>
    internal int[] Lags { get; }

    /// <summary>Fits on the training rows and weighs on the rows that choose.</summary>
    /// <param name="rows">The recording.</param>
    /// <param name="targets">What to forecast.</param>
    /// <param name="most">Most rows back; null for as many as help.</param>
    internal static LinearForecast Fit(TrainingRows rows, ForecastTargets targets, int? most = null)
    {
        int[] within = [.. ChooseLags(rows, targets).Where(lag => lag < (most ?? int.MaxValue))];
        var forecast = new LinearForecast(rows, targets, within);
        int columns = rows.Columns.Count;
        int few = forecast.Lags.Count(lag => lag < BaselineLags);
        foreach (int lags in new[] { few, forecast.Lags.Length }.Distinct())
        {
            forecast.Try([.. Enumerable.Range(0, lags * columns)], -1);
            for (int column = 0; column < columns && columns > 1; column++)
            {
                int own = column;
                forecast.Try([.. Enumerable.Range(0, lags).Select(l => (l * columns) + own)], column);
            }
        }

        return forecast;
    }

    /// <summary>The forecast as part of a model.</summary>
    internal FloatLagRegression ToRegression() => Regression(Mean);

    /// <summary>Ridge on 24 lags of all columns alone: what every model is measured against.</summary>
    internal static FloatLagRegression Baseline(TrainingRows rows, ForecastTargets targets)
    {
        int columns = rows.Columns.Count;
        int lags = Math.Clamp(FeaturesMax / columns, 1, BaselineLags);
        var forecast = new LinearForecast(rows, targets, [.. Enumerable.Range(0, lags)]);
        forecast.Try([.. Enumerable.Range(0, lags * columns)], -1, withCalendar: false, nearly: 0);
        return forecast.Regression(k => forecast._families[0].Weights[k][0]!);
    }

    // 0 to 23, and the same time of the days before, now and at the time to forecast, where a day is not too many rows; fewer if there are
    // many columns. What lies further back than 24 rows is the net's: it forgets a fault sooner than a regression does.
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

    // Towards zero and towards the last value: the best penalty for each output, then fitted again on all training rows.
    private void Try(int[] features, int column, bool withCalendar = true, double nearly = NearlyAsGood)
    {
        int calendar = withCalendar ? _rows.Width - _rows.Columns.Count : 0;
        int[] at = [.. features, .. Enumerable.Range(Lags.Length * _rows.Columns.Count, calendar), _fit.Features - 1];
        var family = new Family(_outputs.Count);
        double[,,] errors = new double[Penalties.Length, Priors.Length, _outputs.Count];
        for (int p = 0; p < Penalties.Length; p++)
        {
            int which = p;
            Each(_fit, at, column, Penalties[p], (k, prior, weights) =>
            {
                errors[which, prior, k] = _judge.MeanSquareError(weights, k);
                family.Error[k][prior] = Math.Min(family.Error[k][prior], errors[which, prior, k]);
            });
        }

        // The largest penalty that is nearly as good as the best one: smaller weights pass less of a wrong reading on.
        int[][] penalty =
        [
            .. Priors.Select(prior => Enumerable.Range(0, _outputs.Count).Select(k => Enumerable.Range(0, Penalties.Length)
                .LastOrDefault(p => errors[p, prior, k] <= (1 + nearly) * family.Error[k][prior])).ToArray()),
        ];

        for (int p = 0; p < Penalties.Length; p++)
        {
            if (penalty.Any(chosen => chosen.Contains(p)))
            {
                Each(_all, at, column, Penalties[p], (k, prior, weights) =>
                    family.Weights[k][prior] = penalty[prior][k] == p ? weights : family.Weights[k][prior]);
            }
        }

        _families.Add(family);
    }

    // Solves for every output, towards zero (prior 0) and towards the last value (prior 1).
    private void Each(LagMoments moments, int[] at, int column, double penalty, Action<int, int, double[]> take)
    {
        int n = at.Length;
        Matrix<double> gram = Matrix<double>.Build.Dense(
            n, n, (i, j) => moments.Gram[(at[i] * moments.Features) + at[j]] + (i == j ? (i == n - 1 ? 1e-9 : penalty) : 0));
        var solver = gram.Cholesky();
        int[] outputs = [.. Enumerable.Range(0, _outputs.Count).Where(k => column < 0 || _outputs[k].Column == column)];
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
        var spread = new double[_fit.Features];
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

    private double[] Mean(int output)
    {
        var last = new double[_fit.Features];
        last[_outputs[output].Column] = 1;
        var members = new List<(double Error, double[] Weights)> { (_judge.MeanSquareError(last, output), last) };
        members.AddRange(
            from family in _families
            from prior in Priors
            where family.Weights[output][prior] is not null
            select (family.Error[output][prior], family.Weights[output][prior]!));
        double least = Math.Max(members.Min(member => member.Error), 1e-12);
        var mean = new double[_fit.Features];
        double total = 0;
        foreach ((double error, double[] weights) in members)
        {
            double share = Math.Exp((1 - (error / least)) / Closeness);
            total += share;
            for (int i = 0; i < mean.Length; i++)
            {
                mean[i] += share * weights[i];
            }
        }

        return [.. mean.Select(weight => weight / total)];
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

        return new FloatLagRegression(Lags, width, weight, Limits(), [.. rows.Select(row => (float)row[^1])]);
    }

    // The largest differences from lag to present in the training rows, short gaps between them included: a stream has them, too.
    private float[] Limits()
    {
        (int columns, int width) = (_rows.Columns.Count, _rows.Width);
        var limits = new float[Lags.Length * width];
        for (int row = 0; row < _rows.TrainEnd; row++)
        {
            for (int l = 1; l < Lags.Length && row >= Lags[l]; l++)
            {
                int then = row - Lags[l];
                if (_rows.Ticks[row] - _rows.Ticks[then] > 2 * Lags[l] || _rows.IsFault[row] || _rows.IsFault[then])
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

    // One set of features: for each output, shrunk towards zero and towards the last value.
    private sealed class Family(int outputs)
    {
        internal double[][] Error { get; } =
            [.. Enumerable.Range(0, outputs).Select(_ => new[] { double.PositiveInfinity, double.PositiveInfinity })];

        internal double[]?[][] Weights { get; } = [.. Enumerable.Range(0, outputs).Select(_ => new double[]?[2])];
    }
}
