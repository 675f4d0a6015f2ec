using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Edge.Training.Numerics;

/// <summary>
/// Products of row-major float32 matrices. Every element is one chain of fused multiply-adds over k in ascending order, so the result does
/// not depend on the width of the processor's vectors.
/// </summary>
internal static class MatrixProduct
{
    // Rows and columns of one block of the result: eight vectors that are summed in registers.
    private const int BlockRows = 4;
    private const int BlockColumns = 16;

    /// <summary>C += A·B.</summary>
    /// <param name="a">[M, K].</param>
    /// <param name="b">[K, N].</param>
    /// <param name="c">[M, N].</param>
    /// <param name="m">M.</param>
    /// <param name="k">K.</param>
    /// <param name="n">N.</param>
    internal static void Add(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int k, int n) =>
        Add(a, k, b, n, c, n, m, k, n);

    /// <summary>C += A·B of matrices that are columns of wider ones; a stride is the distance from row to row.</summary>
    internal static void Add(
        ReadOnlySpan<float> a, int strideA, ReadOnlySpan<float> b, int strideB, Span<float> c, int strideC, int m, int k, int n) =>
        AddStrided(a, strideA, 1, b, strideB, c, strideC, m, k, n);

    /// <summary>C += Aᵀ·B.</summary>
    /// <param name="a">[K, M].</param>
    /// <param name="b">[K, N].</param>
    /// <param name="c">[M, N].</param>
    /// <param name="m">M.</param>
    /// <param name="k">K.</param>
    /// <param name="n">N.</param>
    internal static void AddTransposed(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int k, int n) =>
        AddTransposed(a, m, b, n, c, n, m, k, n);

    /// <summary>C += Aᵀ·B of matrices that are columns of wider ones; a stride is the distance from row to row.</summary>
    internal static void AddTransposed(
        ReadOnlySpan<float> a, int strideA, ReadOnlySpan<float> b, int strideB, Span<float> c, int strideC, int m, int k, int n) =>
        AddStrided(a, 1, strideA, b, strideB, c, strideC, m, k, n);

    /// <summary>The transpose.</summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="target">Receives [columns, rows].</param>
    /// <param name="rows">Rows of the source.</param>
    /// <param name="columns">Columns of the source.</param>
    internal static void Transpose(ReadOnlySpan<float> source, Span<float> target, int rows, int columns)
    {
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
            {
                target[(c * rows) + r] = source[(r * columns) + c];
            }
        }
    }

    /// <summary>Adds every row of a matrix to one row.</summary>
    /// <param name="rows">[count, sums.Length].</param>
    /// <param name="sums">Receives the sums on top of what it has.</param>
    internal static void AddRows(ReadOnlySpan<float> rows, Span<float> sums)
    {
        for (int at = 0; at < rows.Length; at += sums.Length)
        {
            VectorMath.Add(rows.Slice(at, sums.Length), sums);
        }
    }

    private static void AddStrided(
        ReadOnlySpan<float> a, int rowStride, int stepStride, ReadOnlySpan<float> b, int strideB, Span<float> c, int strideC, int m, int k,
        int n)
    {
        if (a.Length <= ((m - 1) * rowStride) + ((k - 1) * stepStride) || b.Length < ((k - 1) * strideB) + n
            || c.Length < ((m - 1) * strideC) + n)
        {
            throw new ArgumentException($"The matrices are smaller than {m}x{k}, {k}x{n} and {m}x{n}.");
        }

        ref float left = ref MemoryMarshal.GetReference(a);
        ref float right = ref MemoryMarshal.GetReference(b);
        ref float sum = ref MemoryMarshal.GetReference(c);
        int row = 0;
        for (; row + BlockRows <= m; row += BlockRows)
        {
            ref float leftRow = ref Unsafe.Add(ref left, row * rowStride);
            ref float sumRow = ref Unsafe.Add(ref sum, row * strideC);
            int column = 0;
            for (; column + BlockColumns <= n; column += BlockColumns)
            {
                AddBlock(
                    ref leftRow, rowStride, stepStride, ref Unsafe.Add(ref right, column), strideB, ref Unsafe.Add(ref sumRow, column),
                    strideC, k);
            }

            for (int each = 0; each < BlockRows && column < n; each++)
            {
                AddRest(
                    ref Unsafe.Add(ref leftRow, each * rowStride), stepStride, ref right, strideB,
                    ref Unsafe.Add(ref sumRow, each * strideC), column, k, n);
            }
        }

        for (; row < m; row++)
        {
            AddRest(
                ref Unsafe.Add(ref left, row * rowStride), stepStride, ref right, strideB, ref Unsafe.Add(ref sum, row * strideC), 0, k, n);
        }
    }

    private static void AddBlock(
        ref float a, int rowStride, int stepStride, ref float b, int strideB, ref float c, int strideC, int k)
    {
        Vector256<float> c00 = Vector256.LoadUnsafe(ref c);
        Vector256<float> c01 = Vector256.LoadUnsafe(ref c, 8);
        Vector256<float> c10 = Vector256.LoadUnsafe(ref c, (nuint)strideC);
        Vector256<float> c11 = Vector256.LoadUnsafe(ref c, (nuint)strideC + 8);
        Vector256<float> c20 = Vector256.LoadUnsafe(ref c, (nuint)(2 * strideC));
        Vector256<float> c21 = Vector256.LoadUnsafe(ref c, (nuint)(2 * strideC) + 8);
        Vector256<float> c30 = Vector256.LoadUnsafe(ref c, (nuint)(3 * strideC));
        Vector256<float> c31 = Vector256.LoadUnsafe(ref c, (nuint)(3 * strideC) + 8);
        for (int step = 0; step < k; step++)
        {
            Vector256<float> b0 = Vector256.LoadUnsafe(ref b);
            Vector256<float> b1 = Vector256.LoadUnsafe(ref b, 8);
            Vector256<float> a0 = Vector256.Create(a);
            c00 = Vector256.FusedMultiplyAdd(a0, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(a0, b1, c01);
            Vector256<float> a1 = Vector256.Create(Unsafe.Add(ref a, rowStride));
            c10 = Vector256.FusedMultiplyAdd(a1, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(a1, b1, c11);
            Vector256<float> a2 = Vector256.Create(Unsafe.Add(ref a, 2 * rowStride));
            c20 = Vector256.FusedMultiplyAdd(a2, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(a2, b1, c21);
            Vector256<float> a3 = Vector256.Create(Unsafe.Add(ref a, 3 * rowStride));
            c30 = Vector256.FusedMultiplyAdd(a3, b0, c30);
            c31 = Vector256.FusedMultiplyAdd(a3, b1, c31);
            a = ref Unsafe.Add(ref a, stepStride);
            b = ref Unsafe.Add(ref b, strideB);
        }

        c00.StoreUnsafe(ref c);
        c01.StoreUnsafe(ref c, 8);
        c10.StoreUnsafe(ref c, (nuint)strideC);
        c11.StoreUnsafe(ref c, (nuint)strideC + 8);
        c20.StoreUnsafe(ref c, (nuint)(2 * strideC));
        c21.StoreUnsafe(ref c, (nuint)(2 * strideC) + 8);
        c30.StoreUnsafe(ref c, (nuint)(3 * strideC));
        c31.StoreUnsafe(ref c, (nuint)(3 * strideC) + 8);
    }

    // One row of the result from a column on.
    private static void AddRest(ref float a, int stepStride, ref float b, int strideB, ref float c, int column, int k, int n)
    {
        for (; column + 8 <= n; column += 8)
        {
            Vector256<float> sum = Vector256.LoadUnsafe(ref c, (nuint)column);
            for (int step = 0; step < k; step++)
            {
                sum = Vector256.FusedMultiplyAdd(
                    Vector256.Create(Unsafe.Add(ref a, step * stepStride)),
                    Vector256.LoadUnsafe(ref b, (nuint)((step * strideB) + column)),
                    sum);
            }

            sum.StoreUnsafe(ref c, (nuint)column);
        }

        for (; column < n; column++)
        {
            float sum = Unsafe.Add(ref c, column);
            for (int step = 0; step < k; step++)
            {
                sum = MathF.FusedMultiplyAdd(Unsafe.Add(ref a, step * stepStride), Unsafe.Add(ref b, (step * strideB) + column), sum);
            }

            Unsafe.Add(ref c, column) = sum;
        }
    }
}
