using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>
/// The step on 256-bit vectors, 16 units at a time, generic over the dot product. The same lines as
/// <see cref="ScalarKernel"/>, the same symbols, the same bytes.
/// </summary>
internal readonly unsafe struct VectorKernel256<TDot> : IKernel
    where TDot : struct, IDotProduct256
{
    public static int ActivationOffset => TDot.ActivationOffset;

    public static uint StepBlock(PackedLstm layer, int block, byte* x, byte* h, sbyte* newH, short* c, short* hidden)
    {
        LstmCell cell = layer.Cell;
        int* start = layer.RecurrentStart + (block * 64);
        Vector256<int> a0 = Vector256.Load(start);
        Vector256<int> a1 = Vector256.Load(start + 8);
        Vector256<int> a2 = Vector256.Load(start + 16);
        Vector256<int> a3 = Vector256.Load(start + 24);
        Vector256<int> a4 = Vector256.Load(start + 32);
        Vector256<int> a5 = Vector256.Load(start + 40);
        Vector256<int> a6 = Vector256.Load(start + 48);
        Vector256<int> a7 = Vector256.Load(start + 56);
        byte* w = layer.Recurrent + ((long)block * layer.RecurrentGroups * PackedLstm.GroupBytes);
        byte* end = h + (4 * layer.RecurrentGroups);
        for (; h < end; h += 4, w += PackedLstm.GroupBytes)
        {
            Vector256<sbyte> activations = Vector256.Create(*(int*)h).AsSByte();
            a0 = TDot.Accumulate(a0, activations, Vector256.Load((sbyte*)w));
            a1 = TDot.Accumulate(a1, activations, Vector256.Load((sbyte*)w + 32));
            a2 = TDot.Accumulate(a2, activations, Vector256.Load((sbyte*)w + 64));
            a3 = TDot.Accumulate(a3, activations, Vector256.Load((sbyte*)w + 96));
            a4 = TDot.Accumulate(a4, activations, Vector256.Load((sbyte*)w + 128));
            a5 = TDot.Accumulate(a5, activations, Vector256.Load((sbyte*)w + 160));
            a6 = TDot.Accumulate(a6, activations, Vector256.Load((sbyte*)w + 192));
            a7 = TDot.Accumulate(a7, activations, Vector256.Load((sbyte*)w + 224));
        }

        start = layer.InputStart + (block * 64);
        Vector256<int> b0 = Vector256.Load(start);
        Vector256<int> b1 = Vector256.Load(start + 8);
        Vector256<int> b2 = Vector256.Load(start + 16);
        Vector256<int> b3 = Vector256.Load(start + 24);
        Vector256<int> b4 = Vector256.Load(start + 32);
        Vector256<int> b5 = Vector256.Load(start + 40);
        Vector256<int> b6 = Vector256.Load(start + 48);
        Vector256<int> b7 = Vector256.Load(start + 56);
        w = layer.Input + ((long)block * layer.InputGroups * PackedLstm.GroupBytes);
        end = x + (4 * layer.InputGroups);
        if (layer.IsFirst)
        {
            for (; x < end; x += 4, w += PackedLstm.GroupBytes)
            {
                Vector256<short> pair = Vector256.Create(*(int*)x).AsInt16();
                b0 = TDot.AccumulatePairs(b0, pair, Vector256.Load((short*)w));
                b1 = TDot.AccumulatePairs(b1, pair, Vector256.Load((short*)(w + 32)));
                b2 = TDot.AccumulatePairs(b2, pair, Vector256.Load((short*)(w + 64)));
                b3 = TDot.AccumulatePairs(b3, pair, Vector256.Load((short*)(w + 96)));
                b4 = TDot.AccumulatePairs(b4, pair, Vector256.Load((short*)(w + 128)));
                b5 = TDot.AccumulatePairs(b5, pair, Vector256.Load((short*)(w + 160)));
                b6 = TDot.AccumulatePairs(b6, pair, Vector256.Load((short*)(w + 192)));
                b7 = TDot.AccumulatePairs(b7, pair, Vector256.Load((short*)(w + 224)));
            }
        }
        else
        {
            for (; x < end; x += 4, w += PackedLstm.GroupBytes)
            {
                Vector256<sbyte> activations = Vector256.Create(*(int*)x).AsSByte();
                b0 = TDot.Accumulate(b0, activations, Vector256.Load((sbyte*)w));
                b1 = TDot.Accumulate(b1, activations, Vector256.Load((sbyte*)w + 32));
                b2 = TDot.Accumulate(b2, activations, Vector256.Load((sbyte*)w + 64));
                b3 = TDot.Accumulate(b3, activations, Vector256.Load((sbyte*)w + 96));
                b4 = TDot.Accumulate(b4, activations, Vector256.Load((sbyte*)w + 128));
                b5 = TDot.Accumulate(b5, activations, Vector256.Load((sbyte*)w + 160));
                b6 = TDot.Accumulate(b6, activations, Vector256.Load((sbyte*)w + 192));
                b7 = TDot.Accumulate(b7, activations, Vector256.Load((sbyte*)w + 224));
            }
        }

        // Shifts by a vector of counts are one operation, shifts by a count in a register are two.
        Vector256<uint> hiddenShift = Vector256.Create((uint)cell.RecurrentShift);
        Vector256<uint> inputShift = Vector256.Create((uint)cell.InputShift);
        Vector256<uint> gateShift = Vector256.Create((uint)cell.GateShift);
        Vector256<short> zi = GateArgument(layer, block, 0, a0, a1, b0, b1, hiddenShift, inputShift, gateShift);
        Vector256<short> zf = GateArgument(layer, block, 1, a2, a3, b2, b3, hiddenShift, inputShift, gateShift);
        Vector256<short> zg = GateArgument(layer, block, 2, a4, a5, b4, b5, hiddenShift, inputShift, gateShift);
        Vector256<short> zo = GateArgument(layer, block, 3, a6, a7, b6, b7, hiddenShift, inputShift, gateShift);

        Vector256<short> i = Activations256.Sigmoid(zi);
        Vector256<short> f = Activations256.Sigmoid(zf);
        Vector256<short> g = Activations256.Tanh(zg);
        Vector256<short> o = Activations256.Sigmoid(zo);

        int n = cell.CellFractionBits;
        Vector256<short> kept = Avx2.MultiplyHighRoundScale(f, Vector256.Load(c));

        // SHR(i·g, 30 - n) in two shifts: floors compose, so the high half first and the rounding after loses nothing.
        Vector256<short> admitted = (Avx2.MultiplyHigh(i, g) + Vector256.Create((short)(1 << (13 - n)))) >> (14 - n);
        Vector256<short> cell1 = Avx2.AddSaturate(kept, admitted);
        cell1.Store(c);

        Vector256<short> exposed = Avx2.MultiplyHighRoundScale(o, Activations256.Tanh(CellToQ12(cell1, n)));
        exposed.Store(hidden);
        Vector256<short> rounded = Avx2.MultiplyHighRoundScale(exposed, Vector256.Load(layer.HiddenMultiplier + (block * PackedLstm.BlockUnits)));
        Vector256<short> clamped = Vector256.Max(rounded, Vector256.Create((short)-127));
        Sse2.PackSignedSaturate(clamped.GetLower(), clamped.GetUpper()).Store(newH);

        // Without saturating, the sum wraps: where the two differ, the cell was clipped. Hardly ever is anything.
        Vector256<short> cellInRange = Vector256.Equals(kept + admitted, cell1);
        Vector256<short> hiddenOut = Vector256.GreaterThan(Vector256.Abs(rounded), Vector256.Create((short)127));
        return Vector256.EqualsAll(Vector256.AndNot(cellInRange, hiddenOut), Vector256<short>.AllBitsSet)
            ? 0
            : (cellInRange.ExtractMostSignificantBits() ^ 0xFFFF) | (hiddenOut.ExtractMostSignificantBits() << 16);
    }

    public static void StepDense(PackedDense dense, short* hidden, float* outputs)
    {
        for (int r = 0; r < dense.Dense.OutputCount; r++)
        {
            short* w = dense.Weight + (r * dense.Stride);
            Vector256<int> sum = Avx2.MultiplyAddAdjacent(Vector256.Load(w), Vector256.Load(hidden));
            for (int j = PackedLstm.BlockUnits; j < dense.Stride; j += PackedLstm.BlockUnits)
            {
                sum += Avx2.MultiplyAddAdjacent(Vector256.Load(w + j), Vector256.Load(hidden + j));
            }

            outputs[r] = (Vector256.Sum(sum) + dense.Dense.Bias[r]) * dense.Dense.Scale[r];
        }
    }

    // z = SAT16(SHR(m_h·SAT16(SHR(W_h·h, s_h)) + m_x·SAT16(SHR(W_x·x, s_x)) + b, s_z)); the roundings are in the starting values.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> GateArgument(
        PackedLstm layer, int block, int gate, Vector256<int> hA, Vector256<int> hB, Vector256<int> xA, Vector256<int> xB,
        Vector256<uint> hiddenShift, Vector256<uint> inputShift, Vector256<uint> gateShift)
    {
        int at = ((block * PackedLstm.Gates) + gate) * PackedLstm.BlockUnits;
        return Avx2.PackSignedSaturate(
            Combine(Shift(hA, hiddenShift), Shift(xA, inputShift), layer.Multiplier + (2 * at), layer.Bias + at, gateShift),
            Combine(Shift(hB, hiddenShift), Shift(xB, inputShift), layer.Multiplier + (2 * at) + 16, layer.Bias + at + 8, gateShift));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Shift(Vector256<int> value, Vector256<uint> count) => Avx2.ShiftRightArithmeticVariable(value, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Combine(Vector256<int> fromHidden, Vector256<int> fromInput, short* multiplier, int* bias, Vector256<uint> gateShift)
    {
        // Packing saturates; the shuffle puts each unit's pair side by side again.
        Vector256<sbyte> pairs = Avx2.Shuffle(
            Avx2.PackSignedSaturate(fromHidden, fromInput).AsSByte(),
            Vector256.Create((sbyte)0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15, 0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
        return Shift(Avx2.MultiplyAddAdjacent(pairs.AsInt16(), Vector256.Load(multiplier)) + Vector256.Load(bias), gateShift);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> CellToQ12(Vector256<short> c, int n)
    {
        if (n >= 12)
        {
            return n == 12 ? c : Avx2.MultiplyHighRoundScale(c, Vector256.Create((short)(1 << 14)));
        }

        // Clamped first to what survives the shift: beyond TANH's own clamp either way, so the same to it as saturating after.
        Vector256<short> limit = Vector256.Create((short)(short.MaxValue >> (12 - n)));
        return Vector256.Clamp(c, -limit, limit) << (12 - n);
    }
}
