using System.Runtime.Intrinsics;

namespace Edge.Streams.Detection;

/// <summary>
/// Least squares with a penalty on the weights, of several targets on any of the same inputs, from normal equations kept by fold. Hoerl
/// and Kennard (1970).
/// </summary>
internal sealed class RidgeRegression
{
    private readonly int _inputs;
    private readonly double[][] _gram;
    private readonly double[][] _moment;
    private readonly double[] _row;

    /// <param name="inputs">Number of inputs.</param>
    /// <param name="targets">Number of targets.</param>
    /// <param name="folds">Number of folds.</param>
    internal RidgeRegression(int inputs, int targets, int folds)
    {
        _inputs = inputs;
        _gram = [.. Enumerable.Range(0, folds).Select(_ => new double[inputs * inputs])];
        _moment = [.. Enumerable.Range(0, folds).Select(_ => new double[targets * inputs])];
        _row = new double[inputs];
    }

    /// <summary>Adds a row to a fold.</summary>
    /// <param name="fold">The fold.</param>
    /// <param name="inputs">The inputs; what lies beyond their number is not read.</param>
    /// <param name="targets">The targets.</param>
    internal void Add(int fold, ReadOnlySpan<float> inputs, ReadOnlySpan<float> targets)
    {
        for (int i = 0; i < _inputs; i++)
        {
            _row[i] = inputs[i];
        }

        for (int i = 0; i < _inputs; i++)
        {
            AddScaled(_gram[fold].AsSpan(i * _inputs, i + 1), _row[i]);
        }

        for (int target = 0; target < targets.Length; target++)
        {
            AddScaled(_moment[fold].AsSpan(target * _inputs, _inputs), targets[target]);
        }
    }

    /// <summary>The weights of a target: [inputs], 0 for inputs that are not chosen.</summary>
    /// <param name="target">The target.</param>
    /// <param name="chosen">The inputs to use.</param>
    /// <param name="penalty">On the square of each weight, greater than 0.</param>
    /// <param name="without">A fold to leave out; -1 for none.</param>
    internal double[] Solve(int target, int[] chosen, double penalty, int without = -1)
    {
        int n = chosen.Length;
        var factor = new double[n * n];
        var weights = new double[n];
        for (int fold = 0; fold < _gram.Length; fold++)
        {
            for (int i = 0; fold != without && i < n; i++)
            {
                for (int j = 0; j <= i; j++)
                {
                    factor[(i * n) + j] += _gram[fold][(chosen[i] * _inputs) + chosen[j]];
                }

                weights[i] += _moment[fold][(target * _inputs) + chosen[i]];
            }
        }

        for (int i = 0; i < n; i++)
        {
            factor[(i * n) + i] += penalty;
        }

        Cholesky.Solve(factor, weights);
        var all = new double[_inputs];
        for (int i = 0; i < n; i++)
        {
            all[chosen[i]] = weights[i];
        }

        return all;
    }

    // Adds the inputs of the row, as many as there are sums, times a factor.
    private void AddScaled(Span<double> sums, double factor)
    {
        int at = 0;
        for (; at <= sums.Length - Vector256<double>.Count; at += Vector256<double>.Count)
        {
            (Vector256.Create<double>(sums[at..]) + (factor * Vector256.Create(_row.AsSpan(at)))).CopyTo(sums[at..]);
        }

        for (; at < sums.Length; at++)
        {
            sums[at] += factor * _row[at];
        }
    }
}
