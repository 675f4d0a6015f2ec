using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>
/// The step on 128-bit vectors, generic over the instructions. It reads the packing of <see cref="PackedGates"/> as halves: of a gate's
/// 64 bytes, units 0-3, 8-11, 4-7 and 12-15. The same symbols as <see cref="ScalarKernel"/>, the same bytes.
/// </summary>
internal readonly unsafe struct VectorKernel128<T> : IKernel
    where T : struct, IInstructions128
{
    // Bytes of a gate's weights that meet one group of activations.
    private const int GateBytes = 64;

    // int32 sums of a block.
    private const int SumCount = 2 * 4 * PackedGates.BlockUnits;

    public static int ActivationOffset => 0;

    public static bool IsWide => false;

    public static void Lay(sbyte* values, int count, byte* to) => Unsafe.CopyBlockUnaligned(to, values, (uint)count);

    public static void SumLstm(PackedLayer layer, int begin, int end, byte* x, byte* h, LstmSums* sums)
    {
        for (int block = begin; block < end; block++)
        {
            Sum(layer.Gates, block, x, h, (int*)sums++);
        }
    }

    public static bool ActivateLstm(
        PackedLayer layer, int begin, int end, LstmSums* sums, sbyte* newH, short* c, short* output, uint* clipped)
    {
        uint any = 0;
        for (int block = begin; block < end; block++)
        {
            int first = (block - begin) * PackedGates.BlockUnits;
            any |= clipped[block - begin] = ActivateLstm(layer, block, sums++, newH + first, c + first, output + first);
        }

        return any != 0;
    }

    [SkipLocalsInit]
    private static uint ActivateLstm(PackedLayer layer, int block, LstmSums* sums, sbyte* newH, short* c, short* output)
    {
        // The arguments of 16 units: i, f, g, o.
        short* z = stackalloc short[4 * PackedGates.BlockUnits];
        Arguments(layer.Gates, block, (int*)sums, z);
        LstmCell cell = layer.Lstm!;
        uint clipped = 0;
        for (int half = 0; half < PackedGates.BlockUnits; half += 8)
        {
            Vector128<short> old = Vector128.Load(c + half);
            Vector128<short> i = Activate(
                cell.GateActivation,
                Clip(cell, 0, Peephole(layer, block, 0, half, old, Vector128.Load(z + half))));
            Vector128<short> f = Activate(
                cell.GateActivation,
                Clip(cell, 1, Peephole(layer, block, 1, half, old, Vector128.Load(z + 16 + half))));
            Vector128<short> g = Activate(cell.CandidateActivation, Clip(cell, 2, Vector128.Load(z + 32 + half)));

            Vector128<short> kept = T.MultiplyRound(f, old);
            Vector128<short> admitted = cell.CandidateActivation == Activation.Ramp
                ? T.MultiplyRound(i, g)
                : Admitted(layer, block, half, i, g);
            Vector128<short> cell1 = Vector128.AddSaturate(kept, admitted);
            cell1.Store(c + half);

            Vector128<short> o = Activate(
                cell.GateActivation,
                Clip(cell, 3, Peephole(layer, block, 2, half, cell1, Vector128.Load(z + 48 + half))));
            Vector128<short> exposed = cell.CellActivation == Activation.Ramp
                ? Vector128.Max(cell1, Vector128<short>.Zero)
                : Tanh(CellToQ12(layer, block, half, cell1));
            T.MultiplyRound(o, exposed).Store(output + half);

            // Without saturating, the sum wraps: where the two differ, the cell was clipped.
            clipped |= (Vector128.Equals(kept + admitted, cell1).ExtractMostSignificantBits() ^ 0xFF) << half;
        }

        return clipped | (Narrow(output, layer.HiddenMultiplier(block), newH) << 16);
    }

    public static void StepGru(PackedLayer layer, int block, byte* x, byte* h, short* state)
    {
        // r, z, and the candidate's two sums: slots 2 and 3 each have a zero multiplier for what the other takes.
        short* z = stackalloc short[4 * PackedGates.BlockUnits];
        Arguments(layer.Gates, block, x, h, z);
        GruCell cell = layer.Gru!;
        for (int half = 0; half < PackedGates.BlockUnits; half += 8)
        {
            Vector128<short> r = Activate(cell.GateActivation, Clip(cell, 0, Vector128.Load(z + half)));
            Vector128<short> update = Activate(cell.GateActivation, Clip(cell, 1, Vector128.Load(z + 16 + half)));
            Vector128<short> sum = Vector128.AddSaturate(Vector128.Load(z + 32 + half), T.MultiplyRound(r, Vector128.Load(z + 48 + half)));
            Blend(update, state + half, Activate(cell.CandidateActivation, Clip(cell, 2, Vector128.AddSaturate(sum, sum))));
        }
    }

    public static void StepGruGates(PackedLayer layer, int block, byte* x, byte* h, short* state, short* reset, short* update)
    {
        short* z = stackalloc short[2 * PackedGates.BlockUnits];
        Arguments(layer.Gates, block, x, h, z);
        GruCell cell = layer.Gru!;
        for (int half = 0; half < PackedGates.BlockUnits; half += 8)
        {
            Vector128<short> r = Activate(cell.GateActivation, Clip(cell, 0, Vector128.Load(z + half)));
            T.MultiplyRound(r, Vector128.Load(state + half)).Store(reset + half);
            Activate(cell.GateActivation, Clip(cell, 1, Vector128.Load(z + 16 + half))).Store(update + half);
        }
    }

    public static void StepGruCandidate(PackedLayer layer, int block, byte* x, byte* reset, short* update, short* state)
    {
        short* z = stackalloc short[PackedGates.BlockUnits];
        Arguments(layer.Candidate!, block, x, reset, z);
        GruCell cell = layer.Gru!;
        for (int half = 0; half < PackedGates.BlockUnits; half += 8)
        {
            Blend(Vector128.Load(update + half), state + half, Activate(cell.CandidateActivation, Clip(cell, 2, Vector128.Load(z + half))));
        }
    }

    public static void StepSimple(PackedLayer layer, int block, byte* x, byte* h, short* output)
    {
        short* z = stackalloc short[PackedGates.BlockUnits];
        Arguments(layer.Gates, block, x, h, z);
        for (int half = 0; half < PackedGates.BlockUnits; half += 8)
        {
            Activate(layer.Activation, Clip(layer.Layer, 0, Vector128.Load(z + half))).Store(output + half);
        }
    }

    public static uint Narrow(short* output, short* multiplier, sbyte* to)
    {
        uint clipped = 0;
        for (int half = 0; half < PackedGates.BlockUnits; half += 8)
        {
            Vector128<short> rounded = T.MultiplyRound(Vector128.Load(output + half), Vector128.Load(multiplier + half));
            Vector128<short> clamped = Vector128.Max(rounded, Vector128.Create((short)-127));
            Vector128.NarrowWithSaturation(clamped, clamped).GetLower().Store(to + half);
            clipped |= Vector128.GreaterThan(Vector128.Abs(rounded), Vector128.Create((short)127)).ExtractMostSignificantBits() << half;
        }

        return clipped;
    }

    public static void StepHead(PackedHead head, short* x, float* outputs)
    {
        for (int r = 0; r < head.Head.OutputCount; r++)
        {
            short* w = head.Weight + (r * head.Stride);
            Vector128<int> sum = Vector128<int>.Zero;
            for (int j = 0; j < head.Stride; j += 8)
            {
                sum = T.PairDot(sum, Vector128.Load(w + j), Vector128.Load(x + j));
            }

            outputs[r] = (Vector128.Sum(sum) + head.Head.Bias[r]) * head.Head.Scale[r];
        }
    }

    // The arguments of a block's activations: 16 int16 of every slot.
    [SkipLocalsInit]
    private static void Arguments(PackedGates gates, int block, byte* x, byte* h, short* z)
    {
        int* sums = stackalloc int[SumCount];
        Sum(gates, block, x, h, sums);
        Arguments(gates, block, sums, z);
    }

    private static void Arguments(PackedGates gates, int block, int* sums, short* z)
    {
        short* multiplier = gates.Multiplier(block, 0);
        int* bias = gates.Bias(block, 0);
        int last = (gates.GroupBytes / GateBytes) - 1;
        for (int slot = 0; slot < gates.Slots; slot++)
        {
            // A GRU's candidate has two slots of the same sums.
            int* h = sums + (Math.Min(slot, last) * PackedGates.BlockUnits);
            int* x = h + (SumCount / 2);
            Vector128<int> z0 = Argument(gates.Layer, h, x, multiplier, bias);
            Vector128<int> z1 = Argument(gates.Layer, h + 4, x + 4, multiplier + 8, bias + 4);
            Vector128<int> z2 = Argument(gates.Layer, h + 8, x + 8, multiplier + 16, bias + 8);
            Vector128<int> z3 = Argument(gates.Layer, h + 12, x + 12, multiplier + 24, bias + 12);
            Vector128.NarrowWithSaturation(z0, z2).Store(z);
            Vector128.NarrowWithSaturation(z1, z3).Store(z + 8);
            multiplier += 2 * PackedGates.BlockUnits;
            bias += PackedGates.BlockUnits;
            z += PackedGates.BlockUnits;
        }
    }

    // W_h·h, then W_x·x, SumCount / 2 each.
    private static void Sum(PackedGates gates, int block, byte* x, byte* h, int* sums)
    {
        Sum(gates, gates.Layer.IsNarrow, gates.RecurrentStart(block), h, gates.RecurrentGroups, gates.Recurrent(block), sums);
        Sum(gates, !gates.IsInputWide, gates.InputStart(block), x, gates.InputGroups, gates.Input(block), sums + (SumCount / 2));
    }

    // As many gates at a time as have their accumulators in registers.
    private static void Sum(PackedGates gates, bool isNarrow, int* start, byte* activations, int groups, byte* w, int* sums)
    {
        int count = gates.GroupBytes / GateBytes;
        for (int gate = 0; gate < count;)
        {
            int first = gate * PackedGates.BlockUnits;
            byte* weights = w + (gate * GateBytes);
            if (T.HasManyRegisters && count - gate >= 4)
            {
                Sum<FourGates>(isNarrow, start + first, activations, groups, weights, gates.GroupBytes, sums + first);
                gate += 4;
            }
            else if (count - gate >= 2)
            {
                Sum<TwoGates>(isNarrow, start + first, activations, groups, weights, gates.GroupBytes, sums + first);
                gate += 2;
            }
            else
            {
                Sum<OneGate>(isNarrow, start + first, activations, groups, weights, gates.GroupBytes, sums + first);
                gate++;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Sum<TGates>(bool isNarrow, int* start, byte* activations, int groups, byte* w, int stride, int* sums)
        where TGates : struct, IGateCount
    {
        if (isNarrow)
        {
            Sums128<T, NarrowWidth128, TGates>.Add(start, activations, groups, w, stride, sums);
        }
        else
        {
            Sums128<T, WideWidth128, TGates>.Add(start, activations, groups, w, stride, sums);
        }
    }

    // SHR(m_h·SAT16(SHR(W_h·h, s_h)) + m_x·SAT16(SHR(W_x·x, s_x)) + b, s_z); the roundings are in the starting values.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Argument(GateLayer layer, int* fromHidden, int* fromInput, short* multiplier, int* bias)
    {
        Vector128<int> pairs = Vector128.Load((int*)multiplier);
        Vector128<int> sum = (Saturate16(Vector128.Load(fromHidden) >> layer.RecurrentShift) * ((pairs << 16) >> 16))
            + (Saturate16(Vector128.Load(fromInput) >> layer.InputShift) * (pairs >> 16));
        return (sum + Vector128.Load(bias)) >> layer.GateShift;
    }

    // SHR(i·g, 30 - n): floors compose, so the high half first and its rounding by MULR loses nothing.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> Admitted(PackedLayer layer, int block, int half, Vector128<short> i, Vector128<short> g) =>
        T.MultiplyRound(T.MultiplyFloor(i, g) >> 1, Vector128.Load(layer.CellAdmit(block) + half));

    // state + (1 - z)·(candidate - state) in 32 bits, rounded once: a closed gate keeps the state to the bit.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Blend(Vector128<short> z, short* state, Vector128<short> candidate)
    {
        (Vector128<int> openLower, Vector128<int> openUpper) = Vector128.Widen(Vector128.Create(short.MaxValue) - z);
        (Vector128<int> oldLower, Vector128<int> oldUpper) = Vector128.Widen(Vector128.Load(state));
        (Vector128<int> newLower, Vector128<int> newUpper) = Vector128.Widen(candidate);
        Vector128<int> half = Vector128.Create(1 << 14);
        Vector128<int> lower = ((oldLower << 15) + (openLower * (newLower - oldLower)) + half) >> 15;
        Vector128<int> upper = ((oldUpper << 15) + (openUpper * (newUpper - oldUpper)) + half) >> 15;
        Vector128.Narrow(lower, upper).Store(state);
    }

    private static Vector128<short> Activate(Activation activation, Vector128<short> z) => activation switch
    {
        Activation.Tanh => Tanh(z),
        Activation.Sigmoid => (Tanh(z) >> 1) + Vector128.Create((short)(1 << 14)),
        Activation.Ramp => Vector128.Max(z, Vector128<short>.Zero),
        _ => z,
    };

    private static Vector128<short> Clip(GateLayer layer, int gate, Vector128<short> z) => layer.Clip is null
        ? z : Vector128.Min(Vector128.Max(z, Vector128.Create(layer.Clip[2 * gate])), Vector128.Create(layer.Clip[(2 * gate) + 1]));

    // SAT16(z + MULR(P, c)·2^shift): doubled with saturation, so often.
    private static Vector128<short> Peephole(PackedLayer layer, int block, int gate, int half, Vector128<short> c, Vector128<short> z)
    {
        if (layer.Lstm!.Peephole is null)
        {
            return z;
        }

        Vector128<short> product = T.MultiplyRound(Vector128.Load(layer.Peephole(block, gate) + half), c);
        for (int i = 0; i < layer.Lstm.PeepholeShift; i++)
        {
            product = Vector128.AddSaturate(product, product);
        }

        return Vector128.AddSaturate(z, product);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> Tanh(Vector128<short> t)
    {
        // -32768 has no positive counterpart; clamped before, it need not have one.
        Vector128<short> sign = t >> 15;
        Vector128<short> magnitude = Vector128.Min(
            Vector128.Max(t, Vector128.Create((short)-FixedPoint.TanhClamp)),
            Vector128.Create((short)FixedPoint.TanhClamp));
        magnitude = (magnitude ^ sign) - sign;
        Vector128<short> cell = magnitude >> 11;

        // Both bytes of a lane name the cell, then its table offset, then the offsets of the entry's two bytes.
        Vector128<byte> segment = Vector128.Shuffle(Vector128.Create(FixedPoint.TanhSegment) << 1, (cell | (cell << 8)).AsByte());
        Vector128<byte> offset = segment | Vector128.Create((short)0x0100).AsByte();
        Vector128<short> u = (magnitude - Lookup(FixedPoint.TanhCenter, offset)) << 3;
        Vector128<short> p = Lookup(FixedPoint.TanhC2, offset) + T.MultiplyRound(u, Lookup(FixedPoint.TanhC3, offset));
        p = Lookup(FixedPoint.TanhC1, offset) + T.MultiplyRound(u, p);
        p = Lookup(FixedPoint.TanhC0, offset) + T.MultiplyRound(u, p);
        return Vector128.AndNot((p ^ sign) - sign, Vector128.Equals(t, Vector128<short>.Zero));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> Lookup(ReadOnlySpan<short> table, Vector128<byte> offset) =>
        Vector128.Shuffle(Vector128.Create(table).AsByte(), offset).AsInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Saturate16(Vector128<int> value) =>
        Vector128.Max(Vector128.Min(value, Vector128.Create((int)short.MaxValue)), Vector128.Create((int)short.MinValue));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> CellToQ12(PackedLayer layer, int block, int half, Vector128<short> c)
    {
        if (layer.IsCellHalved)
        {
            // (c + 1) >> 1 without leaving int16.
            return (c >> 1) + (c & Vector128<short>.One);
        }

        Vector128<short> limit = Vector128.Load(layer.CellLimit(block) + half);
        return Vector128.Min(Vector128.Max(c, -limit), limit) * Vector128.Load(layer.CellScale(block) + half);
    }
}
