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
        byte* w = layer.Recurrent + ((long)block * layer.RecurrentGroups * PackedLstm.GroupBytes);
        var fromHidden = Accumulators.Load(layer.RecurrentStart + (block * PackedLstm.Gates * PackedLstm.BlockUnits));
        for (byte* end = h + (4 * layer.RecurrentGroups); h < end; h += 4, w += PackedLstm.GroupBytes)
        {
            fromHidden.Dot(Vector256.Create(*(int*)h).AsSByte(), (sbyte*)w);
        }

        w = layer.Input + ((long)block * layer.InputGroups * PackedLstm.GroupBytes);
        var fromInput = Accumulators.Load(layer.InputStart + (block * PackedLstm.Gates * PackedLstm.BlockUnits));
        byte* inputEnd = x + (4 * layer.InputGroups);
        if (layer.IsFirst)
        {
            for (; x < inputEnd; x += 4, w += PackedLstm.GroupBytes)
            {
                fromInput.PairDot(Vector256.Create(*(int*)x).AsInt16(), (short*)w);
            }
        }
        else
        {
            for (; x < inputEnd; x += 4, w += PackedLstm.GroupBytes)
            {
                fromInput.Dot(Vector256.Create(*(int*)x).AsSByte(), (sbyte*)w);
            }
        }

        // Shifts by a vector of counts are one operation, shifts by a count in a register are two.
        Vector256<uint> hiddenShift = Vector256.Create((uint)cell.RecurrentShift);
        Vector256<uint> inputShift = Vector256.Create((uint)cell.InputShift);
        Vector256<uint> gateShift = Vector256.Create((uint)cell.GateShift);
        Vector256<short> zi = GateArgument(layer, block, 0, fromHidden.V0, fromHidden.V1, fromInput.V0, fromInput.V1, hiddenShift, inputShift, gateShift);
        Vector256<short> zf = GateArgument(layer, block, 1, fromHidden.V2, fromHidden.V3, fromInput.V2, fromInput.V3, hiddenShift, inputShift, gateShift);
        Vector256<short> zg = GateArgument(layer, block, 2, fromHidden.V4, fromHidden.V5, fromInput.V4, fromInput.V5, hiddenShift, inputShift, gateShift);
        Vector256<short> zo = GateArgument(layer, block, 3, fromHidden.V6, fromHidden.V7, fromInput.V6, fromInput.V7, hiddenShift, inputShift, gateShift);

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

    // The accumulators of four gates, A and B of each; the JIT keeps the fields in registers.
    private struct Accumulators
    {
        internal Vector256<int> V0;
        internal Vector256<int> V1;
        internal Vector256<int> V2;
        internal Vector256<int> V3;
        internal Vector256<int> V4;
        internal Vector256<int> V5;
        internal Vector256<int> V6;
        internal Vector256<int> V7;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal static Accumulators Load(int* start) => new()
        {
            V0 = Vector256.Load(start),
            V1 = Vector256.Load(start + 8),
            V2 = Vector256.Load(start + 16),
            V3 = Vector256.Load(start + 24),
            V4 = Vector256.Load(start + 32),
            V5 = Vector256.Load(start + 40),
            V6 = Vector256.Load(start + 48),
            V7 = Vector256.Load(start + 56),
        };

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal void Dot(Vector256<sbyte> activations, sbyte* w)
        {
            V0 = TDot.Accumulate(V0, activations, Vector256.Load(w));
            V1 = TDot.Accumulate(V1, activations, Vector256.Load(w + 32));
            V2 = TDot.Accumulate(V2, activations, Vector256.Load(w + 64));
            V3 = TDot.Accumulate(V3, activations, Vector256.Load(w + 96));
            V4 = TDot.Accumulate(V4, activations, Vector256.Load(w + 128));
            V5 = TDot.Accumulate(V5, activations, Vector256.Load(w + 160));
            V6 = TDot.Accumulate(V6, activations, Vector256.Load(w + 192));
            V7 = TDot.Accumulate(V7, activations, Vector256.Load(w + 224));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal void PairDot(Vector256<short> pair, short* w)
        {
            V0 = TDot.AccumulatePairs(V0, pair, Vector256.Load(w));
            V1 = TDot.AccumulatePairs(V1, pair, Vector256.Load(w + 16));
            V2 = TDot.AccumulatePairs(V2, pair, Vector256.Load(w + 32));
            V3 = TDot.AccumulatePairs(V3, pair, Vector256.Load(w + 48));
            V4 = TDot.AccumulatePairs(V4, pair, Vector256.Load(w + 64));
            V5 = TDot.AccumulatePairs(V5, pair, Vector256.Load(w + 80));
            V6 = TDot.AccumulatePairs(V6, pair, Vector256.Load(w + 96));
            V7 = TDot.AccumulatePairs(V7, pair, Vector256.Load(w + 112));
        }
    }
}
