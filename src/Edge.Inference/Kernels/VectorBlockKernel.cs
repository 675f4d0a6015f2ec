using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>The products by the vector kernel of all layers, and the matrix memory on vectors of int32.</summary>
internal sealed unsafe class VectorBlockKernel<TKernel> : BlockKernel
    where TKernel : struct, IKernel
{
    private const int BlockUnits = PackedGates.BlockUnits;

    private readonly PackedProduct[] _products;
    private readonly PinnedBuffer _narrowX;
    private readonly PinnedBuffer _narrowH;

    // The same as products read them, of one head.
    private readonly PinnedBuffer _x;
    private readonly PinnedBuffer _h;

    internal VectorBlockKernel(PackedProduct[] products)
    {
        _products = products;
        int inputs = products.Select(each => each.Product.InputCount).DefaultIfEmpty(0).Max();
        int states = products.Select(each => each.Product.Heads * each.Product.RecurrentInputs).DefaultIfEmpty(0).Max();
        (_narrowX, _narrowH) = (PinnedBuffer.OfBlocks(inputs), PinnedBuffer.OfBlocks(states));
        (_x, _h) = (PinnedBuffer.OfBlocks(inputs + 4), PinnedBuffer.OfBlocks(states + 4));
    }

    internal override void Multiply(int product, short* x, short* h, short* y)
    {
        PackedProduct packed = _products[product];
        Product p = packed.Product;
        if (packed.IsNarrow)
        {
            Narrow(x, packed.InputNarrowing, p.InputCount, _narrowX);
            Narrow(h, packed.RecurrentNarrowing, p.Heads * p.RecurrentInputs, _narrowH);
        }

        PackedProduct.Run? laid = null;
        foreach (PackedProduct.Run run in packed.Runs)
        {
            byte* input = (byte*)(x + run.Input);
            byte* state = (byte*)(h + run.Recurrent);
            if (packed.IsNarrow)
            {
                input = _x.Pointer;
                state = _h.Pointer;
                if (laid is null || run.Input != laid.Input || run.Layer.Layer.InputCount != laid.Layer.Layer.InputCount)
                {
                    laid = run;
                    TKernel.Lay((sbyte*)_narrowX.Pointer + run.Input, run.Layer.Layer.InputCount, input);
                    TKernel.Lay((sbyte*)_narrowH.Pointer + run.Recurrent, run.Layer.Layer.RecurrentCount, state);
                }
            }

            for (int block = 0; block < run.Layer.Blocks; block++)
            {
                TKernel.StepSimple(run.Layer, block, input, state, y + run.Row + (block * BlockUnits));
            }
        }

        if (p.Table is { } table)
        {
            ActivationTable.Apply(table, new Span<short>(y, p.UnitCount));
        }
    }

    internal override int Remember(LogArithmetic.Share share, int* memory, MemoryRead read, short* q, short* k, short* v, int* sums)
    {
        int d = read.Units;
        int shift = SumShift(d);
        new Span<int>(sums, d).Clear();
        int* means = memory + (d * d);
        int normalizer = 0;
        for (int i = 0; i < d; i++)
        {
            int* row = memory + (i * d);
            int j = TKernel.IsWide
                ? Row256(share, row, q[i], k[i], v, read, sums, shift)
                : Row128(share, row, q[i], k[i], v, read, sums, shift);
            for (; j < d; j++)
            {
                int mean = share.Move(row[j], read.ValueOf(k[i], v[j]));
                row[j] = mean;
                sums[j] += FixedPoint.ShiftRightRound(LogArithmetic.Read(mean, read.MemoryShift) * q[i], shift);
            }

            means[i] = share.Move(means[i], k[i]);
            normalizer += FixedPoint.ShiftRightRound(LogArithmetic.Read(means[i], read.KeyShift) * q[i], shift);
        }

        return normalizer;
    }

    // Whole vectors of a row; returns how many values.
    private static int Row256(LogArithmetic.Share share, int* row, short q, short k, short* v, MemoryRead read, int* sums, int shift)
    {
        // A rounded mean's upper 16 bits, two bits up, are its Q0.15; beside them in the lower half comes k·v. One instruction then gives
        // mantissa·(k·v - mean). The upper half of a key is zero: it meets the sign of v.
        Vector256<short> key = Vector256.Create((int)(ushort)k).AsInt16();
        Vector256<short> query = Vector256.Create(q << 16).AsInt16();
        Vector256<short> mantissa = Vector256.Create((-share.Mantissa << 16) | share.Mantissa).AsInt16();
        Vector256<uint> exponent = Vector256.Create((uint)share.Exponent);
        Vector256<int> half = Vector256.Create((1 << share.Exponent) >> 1);
        Vector256<int> sumHalf = Vector256.Create((1 << shift) >> 1);
        Vector256<int> most = Vector256.Create((1 << (LogArithmetic.MeanBits - read.MemoryShift)) - 1);
        Vector256<int> readHalf = Vector256.Create((1 << (LogArithmetic.MeanShift - read.MemoryShift)) >> 1);
        Vector256<int> meanHalf = Vector256.Create(LogArithmetic.MeanHalf);
        Vector256<int> productHalf = Vector256.Create((1 << read.ProductShift) >> 1);
        Vector256<int> valueMost = Vector256.Create((int)short.MaxValue);
        Vector128<int> productShift = Vector128.CreateScalar(read.ProductShift);
        Vector128<int> sumShift = Vector128.CreateScalar(shift);
        Vector128<int> readShift = Vector128.CreateScalar(2 + read.MemoryShift);
        int j = 0;
        for (; j + 8 <= read.Units; j += 8)
        {
            Vector256<int> mean = Vector256.Load(row + j);
            Vector256<int> value = Avx2.ShiftRightArithmetic(
                Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int32(v + j).AsInt16(), key) + productHalf, productShift);
            value = Avx2.Max(Avx2.Min(value, valueMost), ~valueMost);
            Vector256<short> pair = Avx2.Blend(((mean + meanHalf) << 2).AsInt16(), value.AsInt16(), 0b01010101);
            mean += Avx2.ShiftRightArithmeticVariable(Avx2.MultiplyAddAdjacent(pair, mantissa) + half, exponent);
            mean.Store(row + j);
            Vector256<short> upper = Avx2.ShiftLeftLogical(Avx2.Max(Avx2.Min(mean + readHalf, most), ~most), readShift).AsInt16();
            Vector256<int> products = Avx2.MultiplyAddAdjacent(upper, query) + sumHalf;
            (Vector256.Load(sums + j) + Avx2.ShiftRightArithmetic(products, sumShift)).Store(sums + j);
        }

        return j;
    }

    private static int Row128(LogArithmetic.Share share, int* row, short q, short k, short* v, MemoryRead read, int* sums, int shift)
    {
        Vector128<int> half = Vector128.Create((1 << share.Exponent) >> 1);
        Vector128<int> sumHalf = Vector128.Create((1 << shift) >> 1);
        Vector128<int> key = Vector128.Create((int)k);
        Vector128<int> query = Vector128.Create((int)q);
        Vector128<int> mantissa = Vector128.Create(share.Mantissa);
        Vector128<int> productHalf = Vector128.Create((1 << read.ProductShift) >> 1);
        Vector128<int> valueMost = Vector128.Create((int)short.MaxValue);
        Vector128<int> meanHalf = Vector128.Create(LogArithmetic.MeanHalf);
        Vector128<int> readHalf = Vector128.Create((1 << (LogArithmetic.MeanShift - read.MemoryShift)) >> 1);
        Vector128<int> most = Vector128.Create((1 << (LogArithmetic.MeanBits - read.MemoryShift)) - 1);
        int readShift = LogArithmetic.MeanShift - read.MemoryShift;
        int j = 0;
        for (; j + 8 <= read.Units; j += 8)
        {
            (Vector128<int> lower, Vector128<int> upper) = Vector128.Widen(Vector128.Load(v + j));
            Move(lower, row + j, sums + j);
            Move(upper, row + j + 4, sums + j + 4);
        }

        return j;

        void Move(Vector128<int> values, int* means, int* to)
        {
            Vector128<int> value = ((values * key) + productHalf) >> read.ProductShift;
            value = Vector128.Max(Vector128.Min(value, valueMost), ~valueMost);
            Vector128<int> mean = Vector128.Load(means);
            mean += ((mantissa * (value - ((mean + meanHalf) >> LogArithmetic.MeanShift))) + half) >> share.Exponent;
            mean.Store(means);
            Vector128<int> upper = Vector128.Max(Vector128.Min(mean + readHalf, most), ~most) >> readShift;
            (Vector128.Load(to) + (((upper * query) + sumHalf) >> shift)).Store(to);
        }
    }

    private static void Narrow(short* values, short* multiplier, int count, PinnedBuffer narrow)
    {
        for (int at = 0; at < count; at += BlockUnits)
        {
            TKernel.Narrow(values + at, multiplier + at, (sbyte*)narrow.Pointer + at);
        }
    }
}
