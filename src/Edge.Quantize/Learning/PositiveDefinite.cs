using Edge.Inference;
using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.LinearAlgebra.Factorization;

namespace Edge.Quantize.Learning;

/// <summary>Factorizes the matrix of a ridge regression.</summary>
internal static class PositiveDefinite
{
    // From rounding errors to as large as the matrix itself.
    private const double FirstShare = 1e-12;
    private const int RaisesMax = 13;

    /// <summary>
    /// The Cholesky factor L of a symmetric matrix, L L' = matrix. If rounding has left the matrix not positive definite, a penalty is
    /// added to its diagonal: 1e-12 of the largest element there, and ten times as much until it is.
    /// </summary>
    /// <param name="matrix">Symmetric; its diagonal is raised where that is needed.</param>
    /// <exception cref="InputException">An element is not finite.</exception>
    internal static Cholesky<double> Factorize(Matrix<double> matrix)
    {
        double largest = matrix.Diagonal().AbsoluteMaximum();
        double added = 0;
        for (int raise = 0; raise <= RaisesMax && double.IsFinite(largest); raise++)
        {
            try
            {
                return matrix.Cholesky();
            }
            catch (ArgumentException)
            {
                double penalty = Math.Max(largest, 1) * FirstShare * Math.Pow(10, raise);
                for (int i = 0; i < matrix.RowCount; i++)
                {
                    matrix[i, i] += penalty - added;
                }

                added = penalty;
            }
        }

        throw new InputException(
            "The readings have values that are too large to calculate with. Remove them, or leave their columns out with --columns.");
    }
}
