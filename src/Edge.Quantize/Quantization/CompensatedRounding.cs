using Edge.Quantize.Calibration;
using MathNet.Numerics.LinearAlgebra;

namespace Edge.Quantize.Quantization;

/// <summary>
/// Rounding that makes up for its own error: after each weight is rounded, the weights of its row that are still free move
/// so that the row's sum over the calibration rows changes least. Frantar et al., "GPTQ" (2022), equations 2 and 3. The
/// row's bias is the last column; it is nearly continuous and takes what is left, the mean error included.
/// </summary>
internal sealed class CompensatedRounding
{
    // Each activation's own moment is raised by this share, so that compensation does not trust calibration blindly.
    private const double Damping = 0.02;

    private readonly int[] _order;
    private readonly double[] _upper;

    /// <summary>Prepares for rows of <c>moment.Size</c> columns, the last one being the bias.</summary>
    internal CompensatedRounding(SecondMoment moment)
    {
        int size = moment.Size;

        // The columns that carry most are rounded first, while most others are still free; the bias comes last.
        _order = [.. Enumerable.Range(0, size - 1).OrderByDescending(i => moment[i, i]).ThenBy(i => i), size - 1];
        // Every column in its own unit, so that one of a millionth and one of a million are conditioned alike.
        double floor = 1e-6 * Math.Max(moment[size - 1, size - 1], 1);
        double[] unit = _order.Select(at => Math.Sqrt(moment[at, at] + floor)).ToArray();
        Matrix<double> damped = Matrix<double>.Build.Dense(size, size, (i, j) => i == j
            ? 1 + (i == size - 1 ? 0 : Damping) : moment[_order[i], _order[j]] / (unit[i] * unit[j]));
        Matrix<double> lower = damped.Cholesky().Solve(Matrix<double>.Build.DenseIdentity(size)).Cholesky().Factor;
        _upper = new double[size * size];
        for (int i = 0; i < size; i++)
        {
            for (int j = i; j < size; j++)
            {
                _upper[(i * size) + j] = lower[j, i] / unit[j];
            }
        }
    }

    /// <summary>Rounds one row.</summary>
    /// <param name="row">The weights and, last, the bias.</param>
    /// <param name="step">The value of one integer step of each.</param>
    /// <param name="limit">Largest |integer| of each.</param>
    /// <returns>The integers.</returns>
    internal int[] Round(double[] row, ReadOnlySpan<double> step, ReadOnlySpan<int> limit)
    {
        var rounded = new int[row.Length];
        double[] ordered = [.. _order.Select(at => row[at])];
        for (int i = 0; i < ordered.Length; i++)
        {
            int at = _order[i];
            rounded[at] = step[at] == 0 ? 0 : (int)Math.Clamp(Math.Round(ordered[i] / step[at]), -limit[at], limit[at]);
            ReadOnlySpan<double> upper = _upper.AsSpan((i * ordered.Length) + i, ordered.Length - i);
            double error = (ordered[i] - (rounded[at] * step[at])) / upper[0];
            Span<double> rest = ordered.AsSpan(i + 1);
            Vectors.AddScaled(rest, upper[1..], -error);
        }

        return rounded;
    }
}
