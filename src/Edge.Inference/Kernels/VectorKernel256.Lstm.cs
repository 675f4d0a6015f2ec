using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>The LSTM: its gates, its cell state and its output.</summary>
internal readonly unsafe partial struct VectorKernel256<TDot>
{
    public static void SumLstm(PackedLayer layer, int begin, int end, byte* x, byte* h, LstmSums* sums)
    {
        PackedGates gates = layer.Gates;
        bool isNarrow = layer.IsNarrow;
        for (int block = begin; block < end; block++)
        {
            Sum<FourGates>(gates, block, x, h, isNarrow, (int*)sums++);
        }
    }

    public static bool ActivateLstm(
        PackedLayer layer, int begin, int end, LstmSums* sums, sbyte* newH, short* c, short* output, uint* clipped)
    {
        if (layer.IsPlainLstm)
        {
            StepGates(layer, begin, end, sums, c);
            return StepCells(layer, begin, end, sums, newH, c, output, clipped);
        }

        uint any = 0;
        for (int block = begin; block < end; block++)
        {
            int first = (block - begin) * PackedGates.BlockUnits;
            any |= clipped[block - begin] = ActivateAnyLstm(layer, block, (int*)sums++, newH + first, c + first, output + first);
        }

        return any != 0;
    }

    // From the sums of a plain LSTM to the cell state; leaves o and where c was not clipped in place of the sums.
    private static void StepGates(PackedLayer layer, int begin, int end, LstmSums* sums, short* c)
    {
        PackedGates gates = layer.Gates;
        var shifts = new Shifts(gates.Layer);
        short* multiplier = gates.Multiplier(begin, 0);
        int* bias = gates.Bias(begin, 0);
        short* admit = layer.CellAdmit(begin);
        for (LstmSums* last = sums + (end - begin); sums < last; sums++)
        {
            Vector256<short> i = Argument(multiplier, bias, 0, 0, (int*)sums, shifts);
            Vector256<short> f = Argument(multiplier, bias, 1, 1, (int*)sums, shifts);
            Vector256<short> g = Argument(multiplier, bias, 2, 2, (int*)sums, shifts);
            Vector256<short> o = Argument(multiplier, bias, 3, 3, (int*)sums, shifts);
            Activations256.Tanh(ref i, ref f, ref g, ref o);
            i = Activations256.SigmoidOfTanh(i);
            f = Activations256.SigmoidOfTanh(f);
            Activations256.SigmoidOfTanh(o).Store((short*)sums);
            NextCell(f, Vector256.Load(c), Admitted(admit, i, g), out Vector256<short> inRange).Store(c);
            inRange.Store((short*)sums + PackedGates.BlockUnits);
            multiplier += 8 * PackedGates.BlockUnits;
            bias += 4 * PackedGates.BlockUnits;
            admit += PackedGates.BlockUnits;
            c += PackedGates.BlockUnits;
        }
    }

    // From the cell state to the output, four blocks at a time where there are as many.
    private static bool StepCells(
        PackedLayer layer, int begin, int end, LstmSums* sums, sbyte* newH, short* c, short* output, uint* clipped)
    {
        uint any = 0;
        int block = begin;
        for (; block + 4 <= end; block += 4)
        {
            Vector256<short> t0 = CellToQ12(layer, block, Vector256.Load(c));
            Vector256<short> t1 = CellToQ12(layer, block + 1, Vector256.Load(c + 16));
            Vector256<short> t2 = CellToQ12(layer, block + 2, Vector256.Load(c + 32));
            Vector256<short> t3 = CellToQ12(layer, block + 3, Vector256.Load(c + 48));
            Activations256.Tanh(ref t0, ref t1, ref t2, ref t3);
            any |= clipped[0] = Expose(layer, block, t0, sums, newH, output);
            any |= clipped[1] = Expose(layer, block + 1, t1, sums + 1, newH + 16, output + 16);
            any |= clipped[2] = Expose(layer, block + 2, t2, sums + 2, newH + 32, output + 32);
            any |= clipped[3] = Expose(layer, block + 3, t3, sums + 3, newH + 48, output + 48);
            sums += 4;
            newH += 4 * PackedGates.BlockUnits;
            c += 4 * PackedGates.BlockUnits;
            output += 4 * PackedGates.BlockUnits;
            clipped += 4;
        }

        for (; block < end; block++)
        {
            Vector256<short> tanh = Activations256.Tanh(CellToQ12(layer, block, Vector256.Load(c)));
            any |= *clipped++ = Expose(layer, block, tanh, sums++, newH, output);
            newH += PackedGates.BlockUnits;
            c += PackedGates.BlockUnits;
            output += PackedGates.BlockUnits;
        }

        return any != 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Expose(PackedLayer layer, int block, Vector256<short> tanh, LstmSums* sums, sbyte* newH, short* output)
    {
        Vector256<short> exposed = Avx2.MultiplyHighRoundScale(Vector256.Load((short*)sums), tanh);
        exposed.Store(output);
        return NarrowLstm(layer, block, exposed, Vector256.Load((short*)sums + PackedGates.BlockUnits), newH);
    }

    // A method of its own: its choices would take registers and inlining from the plain one.
    private static uint ActivateAnyLstm(PackedLayer layer, int block, int* sums, sbyte* newH, short* c, short* output)
    {
        PackedGates gates = layer.Gates;
        LstmCell cell = layer.Lstm!;
        var shifts = new Shifts(cell);
        short* multiplier = gates.Multiplier(block, 0);
        int* bias = gates.Bias(block, 0);
        Vector256<short> zi = Argument(multiplier, bias, 0, 0, sums, shifts);
        Vector256<short> zf = Argument(multiplier, bias, 1, 1, sums, shifts);
        Vector256<short> zg = Argument(multiplier, bias, 2, 2, sums, shifts);
        Vector256<short> zo = Argument(multiplier, bias, 3, 3, sums, shifts);
        Vector256<short> old = Vector256.Load(c);
        Vector256<short> i = Activate(cell.GateActivation, Clip(cell, 0, Peephole(layer, block, 0, old, zi)));
        Vector256<short> f = Activate(cell.GateActivation, Clip(cell, 1, Peephole(layer, block, 1, old, zf)));
        Vector256<short> g = Activate(cell.CandidateActivation, Clip(cell, 2, zg));
        bool isRamp = cell.CandidateActivation == Activation.Ramp;
        Vector256<short> admitted = isRamp ? Avx2.MultiplyHighRoundScale(i, g) : Admitted(layer.CellAdmit(block), i, g);
        Vector256<short> cell1 = NextCell(f, old, admitted, out Vector256<short> cellInRange);
        cell1.Store(c);
        Vector256<short> o = Activate(cell.GateActivation, Clip(cell, 3, Peephole(layer, block, 2, cell1, zo)));
        Vector256<short> exposed = Avx2.MultiplyHighRoundScale(
            o,
            cell.CellActivation == Activation.Ramp
                ? Vector256.Max(cell1, Vector256<short>.Zero)
                : Activations256.Tanh(CellToQ12(layer, block, cell1)));
        exposed.Store(output);
        return NarrowLstm(layer, block, exposed, cellInRange, newH);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint NarrowLstm(PackedLayer layer, int block, Vector256<short> exposed, Vector256<short> cellInRange, sbyte* newH)
    {
        Vector256<short> rounded = Avx2.MultiplyHighRoundScale(exposed, Vector256.Load(layer.HiddenMultiplier(block)));
        StoreNarrow(rounded, newH);

        // Clipping is rare.
        Vector256<short> hiddenOut = Vector256.GreaterThan(Vector256.Abs(rounded), Vector256.Create((short)127));
        return Vector256.EqualsAll(Vector256.AndNot(cellInRange, hiddenOut), Vector256<short>.AllBitsSet)
            ? 0
            : (cellInRange.ExtractMostSignificantBits() ^ 0xFFFF) | (hiddenOut.ExtractMostSignificantBits() << 16);
    }

    // SHR(i·g, 30 - n): floors compose, so the high half first and its rounding by MULR loses nothing.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Admitted(short* admit, Vector256<short> i, Vector256<short> g) =>
        Avx2.MultiplyHighRoundScale(Avx2.MultiplyHigh(i, g), Vector256.Load(admit));

    // Without saturating, the sum wraps: where the two differ, the cell was clipped.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> NextCell(
        Vector256<short> f,
        Vector256<short> c,
        Vector256<short> admitted,
        out Vector256<short> inRange)
    {
        Vector256<short> kept = Avx2.MultiplyHighRoundScale(f, c);
        Vector256<short> next = Avx2.AddSaturate(kept, admitted);
        inRange = Vector256.Equals(kept + admitted, next);
        return next;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> CellToQ12(PackedLayer layer, int block, Vector256<short> c)
    {
        if (layer.IsCellQ12)
        {
            return c;
        }

        if (layer.IsCellHalved)
        {
            return Avx2.MultiplyHighRoundScale(c, Vector256.Create((short)(1 << 14)));
        }

        Vector256<short> limit = Vector256.Load(layer.CellLimit(block));
        Vector256<short> clamped = Vector256.Min(Vector256.Max(c, -limit), limit);
        return layer.CellShift > 0 ? clamped << layer.CellShift : clamped * Vector256.Load(layer.CellScale(block));
    }

    // SAT16(z + MULR(P, c)·2^shift): doubled with saturation, so often.
    private static Vector256<short> Peephole(PackedLayer layer, int block, int gate, Vector256<short> c, Vector256<short> z)
    {
        if (layer.Lstm!.Peephole is null)
        {
            return z;
        }

        Vector256<short> product = Avx2.MultiplyHighRoundScale(Vector256.Load(layer.Peephole(block, gate)), c);
        for (int i = 0; i < layer.Lstm.PeepholeShift; i++)
        {
            product = Avx2.AddSaturate(product, product);
        }

        return Avx2.AddSaturate(z, product);
    }
}
