using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>
/// The step on 128-bit vectors, generic over the instructions. It reads the packing of <see cref="PackedLstm"/> as halves: of a gate's
/// 64 bytes, units 0-3, 8-11, 4-7 and 12-15. The same symbols as <see cref="ScalarKernel"/>, the same bytes.
/// </summary>
internal readonly unsafe struct VectorKernel128<T> : IKernel
    where T : struct, IInstructions128
{
    public static int ActivationOffset => 0;

    public static uint StepBlock(PackedLstm layer, int block, byte* x, byte* h, sbyte* newH, short* c, short* hidden)
    {
        // The gate arguments of 16 units: i, f, g, o.
        short* z = stackalloc short[PackedLstm.Gates * PackedLstm.BlockUnits];
        GatePair(layer, block, 0, x, h, z);
        GatePair(layer, block, 2, x, h, z + (2 * PackedLstm.BlockUnits));
        short* hiddenMultiplier = layer.HiddenMultiplier + (block * PackedLstm.BlockUnits);
        return StepUnits(layer.Cell, z, c, hidden, hiddenMultiplier, newH)
            | (StepUnits(layer.Cell, z + 8, c + 8, hidden + 8, hiddenMultiplier + 8, newH + 8) << 8);
    }

    public static void StepDense(PackedDense dense, short* hidden, float* outputs)
    {
        for (int r = 0; r < dense.Dense.OutputCount; r++)
        {
            short* w = dense.Weight + (r * dense.Stride);
            Vector128<int> sum = Vector128<int>.Zero;
            for (int j = 0; j < dense.Stride; j += 8)
            {
                sum = T.PairDot(sum, Vector128.Load(w + j), Vector128.Load(hidden + j));
            }

            outputs[r] = (Vector128.Sum(sum) + dense.Dense.Bias[r]) * dense.Dense.Scale[r];
        }
    }

    // Two gates at a time: eight accumulators hide the latency of the dot product and still fit sixteen registers.
    private static void GatePair(PackedLstm layer, int block, int gate, byte* x, byte* h, short* z)
    {
        int at = ((block * PackedLstm.Gates) + gate) * PackedLstm.BlockUnits;
        long skip = gate * (PackedLstm.GroupBytes / PackedLstm.Gates);
        byte* w = layer.Recurrent + ((long)block * layer.RecurrentGroups * PackedLstm.GroupBytes) + skip;
        var fromHidden = Accumulators.Load(layer.RecurrentStart + at);
        for (byte* end = h + (4 * layer.RecurrentGroups); h < end; h += 4, w += PackedLstm.GroupBytes)
        {
            fromHidden.Dot(Vector128.Create(*(int*)h).AsSByte(), (sbyte*)w);
        }

        w = layer.Input + ((long)block * layer.InputGroups * PackedLstm.GroupBytes) + skip;
        var fromInput = Accumulators.Load(layer.InputStart + at);
        byte* inputEnd = x + (4 * layer.InputGroups);
        if (layer.IsFirst)
        {
            for (; x < inputEnd; x += 4, w += PackedLstm.GroupBytes)
            {
                fromInput.PairDot(Vector128.Create(*(int*)x).AsInt16(), (short*)w);
            }
        }
        else
        {
            for (; x < inputEnd; x += 4, w += PackedLstm.GroupBytes)
            {
                fromInput.Dot(Vector128.Create(*(int*)x).AsSByte(), (sbyte*)w);
            }
        }

        LstmCell cell = layer.Cell;
        for (int g = 0; g < 2; g++, at += PackedLstm.BlockUnits, z += PackedLstm.BlockUnits)
        {
            (Vector128<int> h0, Vector128<int> h1, Vector128<int> h2, Vector128<int> h3) = fromHidden.Gate(g);
            (Vector128<int> x0, Vector128<int> x1, Vector128<int> x2, Vector128<int> x3) = fromInput.Gate(g);
            Vector128<int> z0 = GateArgument(cell, h0, x0, layer.Multiplier + (2 * at), layer.Bias + at);
            Vector128<int> z1 = GateArgument(cell, h1, x1, layer.Multiplier + (2 * at) + 8, layer.Bias + at + 4);
            Vector128<int> z2 = GateArgument(cell, h2, x2, layer.Multiplier + (2 * at) + 16, layer.Bias + at + 8);
            Vector128<int> z3 = GateArgument(cell, h3, x3, layer.Multiplier + (2 * at) + 24, layer.Bias + at + 12);
            Vector128.NarrowWithSaturation(z0, z2).Store(z);
            Vector128.NarrowWithSaturation(z1, z3).Store(z + 8);
        }
    }

    // SHR(m_h·SAT16(SHR(W_h·h, s_h)) + m_x·SAT16(SHR(W_x·x, s_x)) + b, s_z); the roundings are in the starting values.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> GateArgument(LstmCell cell, Vector128<int> fromHidden, Vector128<int> fromInput, short* multiplier, int* bias)
    {
        Vector128<int> pairs = Vector128.Load((int*)multiplier);
        Vector128<int> sum = (Saturate16(fromHidden >> cell.RecurrentShift) * ((pairs << 16) >> 16)) + (Saturate16(fromInput >> cell.InputShift) * (pairs >> 16));
        return (sum + Vector128.Load(bias)) >> cell.GateShift;
    }

    // Eight units from gate arguments to state; bits 0-7 and 16-23 of the result as of StepBlock.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint StepUnits(LstmCell cell, short* z, short* c, short* hidden, short* hiddenMultiplier, sbyte* newH)
    {
        Vector128<short> i = Sigmoid(Vector128.Load(z));
        Vector128<short> f = Sigmoid(Vector128.Load(z + PackedLstm.BlockUnits));
        Vector128<short> g = Tanh(Vector128.Load(z + (2 * PackedLstm.BlockUnits)));
        Vector128<short> o = Sigmoid(Vector128.Load(z + (3 * PackedLstm.BlockUnits)));

        int n = cell.CellFractionBits;
        Vector128<short> kept = T.MultiplyRound(f, Vector128.Load(c));

        // SHR(i·g, 30 - n) in three shifts: floors compose, so the high bits first and the rounding after loses nothing, and
        // halved there is room for the rounding.
        Vector128<short> admitted = ((T.MultiplyFloor(i, g) >> 1) + Vector128.Create((short)(1 << (13 - n)))) >> (14 - n);
        Vector128<short> cell1 = Vector128.AddSaturate(kept, admitted);
        cell1.Store(c);

        Vector128<short> exposed = T.MultiplyRound(o, Tanh(CellToQ12(cell1, n)));
        exposed.Store(hidden);
        Vector128<short> rounded = T.MultiplyRound(exposed, Vector128.Load(hiddenMultiplier));
        Vector128<short> clamped = Vector128.Max(rounded, Vector128.Create((short)-127));
        Vector128.NarrowWithSaturation(clamped, clamped).GetLower().Store(newH);

        // Without saturating, the sum wraps: where the two differ, the cell was clipped. Hardly ever is anything.
        Vector128<short> cellInRange = Vector128.Equals(kept + admitted, cell1);
        Vector128<short> hiddenOut = Vector128.GreaterThan(Vector128.Abs(rounded), Vector128.Create((short)127));
        return Vector128.EqualsAll(Vector128.AndNot(cellInRange, hiddenOut), Vector128<short>.AllBitsSet)
            ? 0
            : (cellInRange.ExtractMostSignificantBits() ^ 0xFF) | (hiddenOut.ExtractMostSignificantBits() << 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> Tanh(Vector128<short> t)
    {
        // -32768 has no positive counterpart; clamped before, it need not have one.
        Vector128<short> sign = t >> 15;
        Vector128<short> magnitude = Vector128.Min(Vector128.Max(t, Vector128.Create((short)-FixedPoint.TanhClamp)), Vector128.Create((short)FixedPoint.TanhClamp));
        magnitude = (magnitude ^ sign) - sign;
        Vector128<short> cell = magnitude >> 11;

        // Both bytes of a lane name the cell, then its table offset, then the offsets of the entry's two bytes.
        Vector128<byte> segment = Vector128.Shuffle(Vector128.Create(FixedPoint.TanhSegment) << 1, (cell | (cell << 8)).AsByte());
        Vector128<byte> offset = segment | Vector128.Create((short)0x0100).AsByte();
        Vector128<short> u = (magnitude - Lookup(FixedPoint.TanhCentre, offset)) << 3;
        Vector128<short> p = Lookup(FixedPoint.TanhC2, offset) + T.MultiplyRound(u, Lookup(FixedPoint.TanhC3, offset));
        p = Lookup(FixedPoint.TanhC1, offset) + T.MultiplyRound(u, p);
        p = Lookup(FixedPoint.TanhC0, offset) + T.MultiplyRound(u, p);
        return Vector128.AndNot((p ^ sign) - sign, Vector128.Equals(t, Vector128<short>.Zero));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> Sigmoid(Vector128<short> halfArgument) => (Tanh(halfArgument) >> 1) + Vector128.Create((short)(1 << 14));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> Lookup(ReadOnlySpan<short> table, Vector128<byte> offset) =>
        Vector128.Shuffle(Vector128.Create(table).AsByte(), offset).AsInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Saturate16(Vector128<int> value) =>
        Vector128.Max(Vector128.Min(value, Vector128.Create((int)short.MaxValue)), Vector128.Create((int)short.MinValue));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> CellToQ12(Vector128<short> c, int n)
    {
        if (n >= 12)
        {
            // n = 13: (c + 1) >> 1 without leaving int16.
            return n == 12 ? c : (c >> 1) + (c & Vector128<short>.One);
        }

        // Clamped first to what survives the shift: beyond TANH's own clamp either way, so the same to it as saturating after.
        Vector128<short> limit = Vector128.Create((short)(short.MaxValue >> (12 - n)));
        return Vector128.Min(Vector128.Max(c, -limit), limit) << (12 - n);
    }

    // The accumulators of two gates; a struct of locals that the JIT keeps in registers.
    private struct Accumulators
    {
        private Vector128<int> _a0;
        private Vector128<int> _a1;
        private Vector128<int> _a2;
        private Vector128<int> _a3;
        private Vector128<int> _b0;
        private Vector128<int> _b1;
        private Vector128<int> _b2;
        private Vector128<int> _b3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal static Accumulators Load(int* start) => new()
        {
            _a0 = Vector128.Load(start),
            _a1 = Vector128.Load(start + 4),
            _a2 = Vector128.Load(start + 8),
            _a3 = Vector128.Load(start + 12),
            _b0 = Vector128.Load(start + 16),
            _b1 = Vector128.Load(start + 20),
            _b2 = Vector128.Load(start + 24),
            _b3 = Vector128.Load(start + 28),
        };

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal void Dot(Vector128<sbyte> activations, sbyte* w)
        {
            _a0 = T.Dot(_a0, activations, Vector128.Load(w));
            _a1 = T.Dot(_a1, activations, Vector128.Load(w + 16));
            _a2 = T.Dot(_a2, activations, Vector128.Load(w + 32));
            _a3 = T.Dot(_a3, activations, Vector128.Load(w + 48));
            _b0 = T.Dot(_b0, activations, Vector128.Load(w + 64));
            _b1 = T.Dot(_b1, activations, Vector128.Load(w + 80));
            _b2 = T.Dot(_b2, activations, Vector128.Load(w + 96));
            _b3 = T.Dot(_b3, activations, Vector128.Load(w + 112));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal void PairDot(Vector128<short> pair, short* w)
        {
            _a0 = T.PairDot(_a0, pair, Vector128.Load(w));
            _a1 = T.PairDot(_a1, pair, Vector128.Load(w + 8));
            _a2 = T.PairDot(_a2, pair, Vector128.Load(w + 16));
            _a3 = T.PairDot(_a3, pair, Vector128.Load(w + 24));
            _b0 = T.PairDot(_b0, pair, Vector128.Load(w + 32));
            _b1 = T.PairDot(_b1, pair, Vector128.Load(w + 40));
            _b2 = T.PairDot(_b2, pair, Vector128.Load(w + 48));
            _b3 = T.PairDot(_b3, pair, Vector128.Load(w + 56));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal readonly (Vector128<int> V0, Vector128<int> V1, Vector128<int> V2, Vector128<int> V3) Gate(int gate) =>
            gate == 0 ? (_a0, _a1, _a2, _a3) : (_b0, _b1, _b2, _b3);
    }
}
