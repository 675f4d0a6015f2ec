namespace Edge.Streams.Detection;

/// <summary>Solves linear equations with a symmetric, positive definite matrix.</summary>
internal static class Cholesky
{
    private const double PivotMin = 1e-12;

    /// <summary>Solves in place.</summary>
    /// <param name="matrix">The matrix, [n, n]; its lower triangle is read, and becomes the factor L with L·Lᵀ the matrix.</param>
    /// <param name="vector">The right-hand side, [n]; becomes the solution.</param>
    internal static void Solve(Span<double> matrix, Span<double> vector)
    {
        int n = vector.Length;
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = matrix[(i * n) + j];
                for (int k = 0; k < j; k++)
                {
                    sum -= matrix[(i * n) + k] * matrix[(j * n) + k];
                }

                matrix[(i * n) + j] = i == j ? Math.Sqrt(Math.Max(sum, PivotMin)) : sum / matrix[(j * n) + j];
            }
        }

        for (int i = 0; i < n; i++)
        {
            for (int k = 0; k < i; k++)
            {
                vector[i] -= matrix[(i * n) + k] * vector[k];
            }

            vector[i] /= matrix[(i * n) + i];
        }

        for (int i = n - 1; i >= 0; i--)
        {
            for (int k = i + 1; k < n; k++)
            {
                vector[i] -= matrix[(k * n) + i] * vector[k];
            }

            vector[i] /= matrix[(i * n) + i];
        }
    }
}
