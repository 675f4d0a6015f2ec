using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>
/// <see cref="LagRegression.Step"/> on vectors. The rows lie one after the other, the sums run along columns: blocks of 8 rows by 8 columns
/// are transposed in registers on the way.
/// </summary>
internal sealed class VectorLags
{
    private const int Width = 8;

    private readonly LagRegression _lags;
    private readonly short[] _scratch;

    // First columns of the blocks that have an own column of some output.
    private readonly int[] _blocks;

    internal VectorLags(LagRegression lags)
    {
        _lags = lags;
        _scratch = new short[lags.ScratchCount];
        _blocks = [.. lags.OwnColumn.Select(column => column / Width * Width).Distinct().Order()];
    }

    /// <inheritdoc cref="LagRegression.Step"/>
    internal void Step(Span<short> state, ReadOnlySpan<short> x, Span<float> outputs)
    {
        ReadOnlySpan<short> rows = LagRows.Push(state, x);
        Span<short> read = _scratch.AsSpan(0, _lags.Limit.Length);
        Span<short> own = _scratch.AsSpan(read.Length);
        _lags.ReadDifferences(rows, x, read);
        foreach (int column in _blocks)
        {
            ReadOwn(rows, x, column, Math.Min(Width, x.Length - column), own);
        }

        for (int r = 0; r < outputs.Length; r++)
        {
            long sum = Dot(_lags.Weight.AsSpan(r * read.Length, read.Length), read);
            if (_lags.OwnLags > 0)
            {
                sum += Dot(_lags.OwnWeight.AsSpan(r * _lags.OwnLags, _lags.OwnLags), own[(_lags.OwnColumn[r] * _lags.OwnLags)..]);
            }

            outputs[r] += (sum * _lags.Scale[r]) + _lags.Bias[r];
        }
    }

    // Up to 8 columns; a block of rows that would be read past the last one is left to the scalar loop.
    private void ReadOwn(ReadOnlySpan<short> rows, ReadOnlySpan<short> x, int column, int columns, Span<short> own)
    {
        int m = 0;
        if (Sse2.IsSupported || AdvSimd.Arm64.IsSupported)
        {
            ref short row = ref MemoryMarshal.GetReference(rows);
            ref short limit = ref MemoryMarshal.GetArrayDataReference(_lags.OwnLimit);
            ref short to = ref MemoryMarshal.GetReference(own);
            int stride = x.Length;
            for (; m + Width <= _lags.OwnLags && ((m + Width) * stride) + column + Width <= rows.Length; m += Width)
            {
                nuint at = (nuint)(((m + 1) * stride) + column);
                Vector128<short> r0 = Vector128.LoadUnsafe(ref row, at);
                Vector128<short> r1 = Vector128.LoadUnsafe(ref row, at + (nuint)stride);
                Vector128<short> r2 = Vector128.LoadUnsafe(ref row, at + (nuint)(2 * stride));
                Vector128<short> r3 = Vector128.LoadUnsafe(ref row, at + (nuint)(3 * stride));
                Vector128<short> r4 = Vector128.LoadUnsafe(ref row, at + (nuint)(4 * stride));
                Vector128<short> r5 = Vector128.LoadUnsafe(ref row, at + (nuint)(5 * stride));
                Vector128<short> r6 = Vector128.LoadUnsafe(ref row, at + (nuint)(6 * stride));
                Vector128<short> r7 = Vector128.LoadUnsafe(ref row, at + (nuint)(7 * stride));

                // Neighbors of 8 rows: each zip pairs row k with row k + 4, then k + 2, then k + 1.
                (Vector128<short> a0, Vector128<short> a1) = Zip(r0, r4);
                (Vector128<short> a2, Vector128<short> a3) = Zip(r1, r5);
                (Vector128<short> a4, Vector128<short> a5) = Zip(r2, r6);
                (Vector128<short> a6, Vector128<short> a7) = Zip(r3, r7);
                (Vector128<short> b0, Vector128<short> b1) = Zip(a0, a4);
                (Vector128<short> b2, Vector128<short> b3) = Zip(a2, a6);
                (Vector128<short> b4, Vector128<short> b5) = Zip(a1, a5);
                (Vector128<short> b6, Vector128<short> b7) = Zip(a3, a7);
                nuint first = (nuint)((column * _lags.OwnLags) + m);
                Store(Zip(b0, b2), 0, columns, x, column, ref limit, ref to, first);
                Store(Zip(b1, b3), 2, columns, x, column, ref limit, ref to, first);
                Store(Zip(b4, b6), 4, columns, x, column, ref limit, ref to, first);
                Store(Zip(b5, b7), 6, columns, x, column, ref limit, ref to, first);
            }
        }

        for (int i = column; i < column + columns; i++)
        {
            _lags.ReadOwnDifferences(rows, x, i, m, own);
        }
    }

    // Columns c and c + 1 of the block, 8 rows of each.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Store(
        (Vector128<short> Even, Vector128<short> Odd) pair,
        int c,
        int columns,
        ReadOnlySpan<short> x,
        int column,
        ref short limit,
        ref short to,
        nuint first)
    {
        if (c < columns)
        {
            nuint at = first + (nuint)(c * _lags.OwnLags);
            Clamp(pair.Even, x[column + c], Vector128.LoadUnsafe(ref limit, at)).StoreUnsafe(ref to, at);
        }

        if (c + 1 < columns)
        {
            nuint at = first + (nuint)((c + 1) * _lags.OwnLags);
            Clamp(pair.Odd, x[column + c + 1], Vector128.LoadUnsafe(ref limit, at)).StoreUnsafe(ref to, at);
        }
    }

    // What saturates is beyond the limit, which is below 32768.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> Clamp(Vector128<short> then, short now, Vector128<short> limit) =>
        Vector128.Min(Vector128.Max(Vector128.SubtractSaturate(then, Vector128.Create(now)), -limit), limit);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<short> Low, Vector128<short> High) Zip(Vector128<short> a, Vector128<short> b) =>
        Sse2.IsSupported
            ? (Sse2.UnpackLow(a, b), Sse2.UnpackHigh(a, b))
            : (AdvSimd.Arm64.ZipLow(a, b), AdvSimd.Arm64.ZipHigh(a, b));

    // Two products of 15 bits each fit 31; more are added in 64.
    private static long Dot(ReadOnlySpan<short> weights, ReadOnlySpan<short> values)
    {
        ref short w = ref MemoryMarshal.GetReference(weights);
        ref short v = ref MemoryMarshal.GetReference(values);
        int i = 0;
        long total = 0;
        if (Avx2.IsSupported)
        {
            Vector256<long> sum = default;
            for (; i + 16 <= weights.Length; i += 16)
            {
                Vector256<int> pairs = Avx2.MultiplyAddAdjacent(
                    Vector256.LoadUnsafe(ref w, (nuint)i), Vector256.LoadUnsafe(ref v, (nuint)i));
                (Vector256<long> low, Vector256<long> high) = Vector256.Widen(pairs);
                sum += low + high;
            }

            total = Vector256.Sum(sum);
        }
        else
        {
            Vector128<long> sum = default;
            for (; i + 8 <= weights.Length; i += 8)
            {
                Vector128<short> a = Vector128.LoadUnsafe(ref w, (nuint)i);
                Vector128<short> b = Vector128.LoadUnsafe(ref v, (nuint)i);
                if (AdvSimd.IsSupported)
                {
                    Vector128<int> pairs = AdvSimd.MultiplyWideningLower(a.GetLower(), b.GetLower());
                    sum = AdvSimd.AddPairwiseWideningAndAdd(sum, AdvSimd.MultiplyWideningUpperAndAdd(pairs, a, b));
                }
                else
                {
                    (Vector128<int> a0, Vector128<int> a1) = Vector128.Widen(a);
                    (Vector128<int> b0, Vector128<int> b1) = Vector128.Widen(b);
                    (Vector128<long> low, Vector128<long> high) = Vector128.Widen((a0 * b0) + (a1 * b1));
                    sum += low + high;
                }
            }

            total = Vector128.Sum(sum);
        }

        for (; i < weights.Length; i++)
        {
            total += weights[i] * values[i];
        }

        return total;
    }
}
