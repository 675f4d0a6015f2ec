namespace Edge.Streams.Detection;

/// <summary>Least squares with a penalty on the weights, from normal equations kept by fold. Hoerl and Kennard (1970).</summary>
internal sealed class RidgeRegression
{
    private readonly int _features;
    private readonly double[][] _gram;
    private readonly double[][] _moment;

    /// <param name="features">Number of inputs.</param>
    /// <param name="folds">Number of folds.</param>
    internal RidgeRegression(int features, int folds)
    {
        _features = features;
        _gram = [.. Enumerable.Range(0, folds).Select(_ => new double[features * features])];
        _moment = [.. Enumerable.Range(0, folds).Select(_ => new double[features])];
    }

    /// <summary>Adds a row to a fold.</summary>
    internal void Add(int fold, ReadOnlySpan<double> inputs, double target)
    {
        double[] gram = _gram[fold];
        double[] moment = _moment[fold];
        for (int i = 0; i < inputs.Length; i++)
        {
            double input = inputs[i];
            moment[i] += input * target;
            Span<double> line = gram.AsSpan(i * _features, i + 1);
            for (int j = 0; j < line.Length; j++)
            {
                line[j] += input * inputs[j];
            }
        }
    }

    /// <summary>The weights.</summary>
    /// <param name="penalty">On the square of each weight, greater than 0.</param>
    /// <param name="without">A fold to leave out; -1 for none.</param>
    internal double[] Solve(double penalty, int without = -1)
    {
        int n = _features;
        var factor = new double[n * n];
        var weights = new double[n];
        for (int fold = 0; fold < _gram.Length; fold++)
        {
            for (int at = 0; fold != without && at < factor.Length; at++)
            {
                factor[at] += _gram[fold][at];
            }

            for (int at = 0; fold != without && at < n; at++)
            {
                weights[at] += _moment[fold][at];
            }
        }

        for (int i = 0; i < n; i++)
        {
            factor[(i * n) + i] += penalty;
        }

        Cholesky.Solve(factor, weights);
        return weights;
    }
}
