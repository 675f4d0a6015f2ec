using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>
/// The two parts of a block's step that vectors speed up: its inner products and its matrix memory. All the rest is the same code for
/// every kernel. Pointers lead to whole blocks of 16 values; what lies behind the last one means nothing.
/// </summary>
internal abstract unsafe class BlockKernel
{
    /// <summary>y = activation(W_x·x + W_h·h + b).</summary>
    /// <param name="product">Which product of the block.</param>
    /// <param name="x">[I].</param>
    /// <param name="h">[H·RecurrentInputs]; null where it has none.</param>
    /// <param name="y">Receives [U].</param>
    internal abstract void Multiply(int product, short* x, short* h, short* y);

    /// <summary>
    /// Moves the d·d means of a head to k·vᵀ by the share of this step, and the d means of k to k, and reads both with q:
    /// <c>sum_j = Σ_i SHR(READ(M_ij)·q_i, s)</c>, and <c>Σ_i SHR(READ(N_i)·q_i, s)</c> with s = ⌈log2 d⌉.
    /// </summary>
    /// <param name="share">Of this step.</param>
    /// <param name="memory">M [d, d] with a row a key, then N [d].</param>
    /// <param name="read">d, and how far up M and N are read.</param>
    /// <param name="q">[d].</param>
    /// <param name="k">[d].</param>
    /// <param name="v">[d].</param>
    /// <param name="sums">Receives [d].</param>
    /// <returns>The sum of N.</returns>
    internal abstract int Remember(LogArithmetic.Share share, int* memory, MemoryRead read, short* q, short* k, short* v, int* sums);

    /// <summary>s = ⌈log2 d⌉: a sum of d products of 30 bits then stays inside 32.</summary>
    internal static int SumShift(int d) => d == 1 ? 0 : System.Numerics.BitOperations.Log2((uint)(d - 1)) + 1;
}

/// <summary>How a head's memory is written and read.</summary>
/// <param name="Units">d.</param>
/// <param name="ProductShift">Right shift of k·v.</param>
/// <param name="MemoryShift">Of M.</param>
/// <param name="KeyShift">Of N.</param>
internal readonly record struct MemoryRead(int Units, int ProductShift, int MemoryShift, int KeyShift)
{
    /// <summary>What M moves to: SAT16(SHR(k·v, shift)).</summary>
    internal int ValueOf(int k, int v) => FixedPoint.Saturate16(FixedPoint.ShiftRightRound(k * v, ProductShift));
}

/// <summary>The specification of both.</summary>
internal sealed unsafe class ScalarBlockKernel : BlockKernel
{
    private readonly Product[] _products;
    private readonly short[] _x;
    private readonly short[] _h;

    internal ScalarBlockKernel(BlockLayer block)
    {
        _products = [.. block.Products.Select(each => each.Product)];
        _x = new short[_products.Select(product => product.InputCount).DefaultIfEmpty(0).Max()];
        _h = new short[_products.Select(product => product.Heads * product.RecurrentInputs).DefaultIfEmpty(0).Max()];
    }

    internal override void Multiply(int product, short* x, short* h, short* y)
    {
        Product p = _products[product];
        int states = p.Heads * p.RecurrentInputs;
        ReadOnlySpan<short> input = Narrow(new ReadOnlySpan<short>(x, p.InputCount), p.InputNarrowing, _x);
        ReadOnlySpan<short> state = Narrow(new ReadOnlySpan<short>(h, states), p.RecurrentNarrowing, _h);
        ScalarKernel.StepProduct(p, input, state, new Span<short>(y, p.UnitCount));
    }

    internal override int Remember(LogArithmetic.Share share, int* memory, MemoryRead read, short* q, short* k, short* v, int* sums)
    {
        int d = read.Units;
        int shift = SumShift(d);
        int* means = memory + (d * d);
        int normalizer = 0;
        new Span<int>(sums, d).Clear();
        for (int i = 0; i < d; i++)
        {
            for (int j = 0; j < d; j++)
            {
                int mean = share.Move(memory[(i * d) + j], read.ValueOf(k[i], v[j]));
                memory[(i * d) + j] = mean;
                sums[j] += FixedPoint.ShiftRightRound(LogArithmetic.Read(mean, read.MemoryShift) * q[i], shift);
            }

            means[i] = share.Move(means[i], k[i]);
            normalizer += FixedPoint.ShiftRightRound(LogArithmetic.Read(means[i], read.KeyShift) * q[i], shift);
        }

        return normalizer;
    }

    // The int8 that products read, or the int16 themselves.
    private static ReadOnlySpan<short> Narrow(ReadOnlySpan<short> values, short[] multipliers, short[] narrow)
    {
        if (multipliers.Length == 0)
        {
            return values;
        }

        for (int j = 0; j < values.Length; j++)
        {
            narrow[j] = (short)ScalarKernel.Narrow(values[j], multipliers[j]);
        }

        return narrow.AsSpan(0, values.Length);
    }
}
