using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>
/// The step on 256-bit vectors, 16 units at a time, generic over the dot product. The same lines as
/// <see cref="ScalarKernel"/>, the same symbols, the same bytes.
/// </summary>
internal readonly unsafe partial struct VectorKernel256<TDot> : IKernel
    where TDot : struct, IDotProduct256
{
    // int32 sums of a block.
    private const int SumCount = 2 * 4 * PackedGates.BlockUnits;

    public static int ActivationOffset => TDot.ActivationOffset;

    public static bool IsWide => true;

    public static void Lay(sbyte* values, int count, byte* to)
    {
        Vector128<int> ofSigns = default;
        int j = 0;
        for (; j + PackedGates.BlockUnits <= count; j += PackedGates.BlockUnits)
        {
            ofSigns += LayBlock(Vector128.Load(values + j), to, j);
        }

        if (j < count)
        {
            Vector128<sbyte> last = default;
            new Span<sbyte>(values + j, count - j).CopyTo(new Span<sbyte>(&last, count - j));
            ofSigns += LayBlock(last, to, j);
        }

        if (TDot.HasSigns)
        {
            *(int*)to = ofSigns.ToScalar() + ofSigns.GetElement(2);
        }
    }

    // Returns the sums of |a| of those that are negative, in lanes 0 and 2.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> LayBlock(Vector128<sbyte> a, byte* to, int j)
    {
        if (!TDot.HasSigns)
        {
            // Adding 128 to an int8 and reading it as a byte is flipping its highest bit.
            (a ^ Vector128.Create(sbyte.MinValue)).Store((sbyte*)to + j);
            return default;
        }

        Vector128<byte> magnitudes = Ssse3.Abs(a);
        Vector128<sbyte> signs = Vector128.LessThan(a, Vector128<sbyte>.Zero);
        Sse2.UnpackLow(magnitudes.AsInt32(), signs.AsInt32()).Store((int*)(to + 8 + (2 * j)));
        Sse2.UnpackHigh(magnitudes.AsInt32(), signs.AsInt32()).Store((int*)(to + 24 + (2 * j)));
        return Sse2.SumAbsoluteDifferences(magnitudes & signs.AsByte(), Vector128<byte>.Zero).AsInt32();
    }

    public static void StepGru(PackedLayer layer, int block, byte* x, byte* h, short* state)
    {
        PackedGates gates = layer.Gates;
        GruCell cell = layer.Gru!;
        int* sums = stackalloc int[SumCount];
        Sum<ThreeGates>(gates, block, x, h, layer.IsNarrow, sums);

        // Slots 2 and 3 are the candidate's two sums: each has a zero multiplier for what the other takes.
        var shifts = new Shifts(cell);
        short* multiplier = gates.Multiplier(block, 0);
        int* bias = gates.Bias(block, 0);
        Vector256<short> zr = Argument(multiplier, bias, 0, 0, sums, shifts);
        Vector256<short> zz = Argument(multiplier, bias, 1, 1, sums, shifts);
        Vector256<short> ofInput = Argument(multiplier, bias, 2, 2, sums, shifts);
        Vector256<short> ofState = Argument(multiplier, bias, 3, 2, sums, shifts);

        Vector256<short> r = Activate(cell.GateActivation, Clip(cell, 0, zr));
        Vector256<short> z = Activate(cell.GateActivation, Clip(cell, 1, zz));
        Vector256<short> half = Avx2.AddSaturate(ofInput, Avx2.MultiplyHighRoundScale(r, ofState));
        Blend(z, state, Activate(cell.CandidateActivation, Clip(cell, 2, Avx2.AddSaturate(half, half))));
    }

    [SkipLocalsInit]
    public static void StepGruGates(PackedLayer layer, int block, byte* x, byte* h, short* state, short* reset, short* update)
    {
        PackedGates gates = layer.Gates;
        GruCell cell = layer.Gru!;
        int* sums = stackalloc int[SumCount];
        Sum<TwoGates>(gates, block, x, h, layer.IsNarrow, sums);

        var shifts = new Shifts(cell);
        short* multiplier = gates.Multiplier(block, 0);
        int* bias = gates.Bias(block, 0);
        Vector256<short> zr = Argument(multiplier, bias, 0, 0, sums, shifts);
        Vector256<short> zz = Argument(multiplier, bias, 1, 1, sums, shifts);
        Vector256<short> r = Activate(cell.GateActivation, Clip(cell, 0, zr));
        Avx2.MultiplyHighRoundScale(r, Vector256.Load(state)).Store(reset);
        Activate(cell.GateActivation, Clip(cell, 1, zz)).Store(update);
    }

    public static void StepGruCandidate(PackedLayer layer, int block, byte* x, byte* reset, short* update, short* state)
    {
        GruCell cell = layer.Gru!;
        Vector256<short> argument = OneArgument(layer.Candidate!, block, x, reset, layer.IsNarrow);
        Blend(Vector256.Load(update), state, Activate(cell.CandidateActivation, Clip(cell, 2, argument)));
    }

    public static void StepSimple(PackedLayer layer, int block, byte* x, byte* h, short* output) =>
        Activate(layer.Activation, Clip(layer.Layer, 0, OneArgument(layer.Gates, block, x, h, layer.IsNarrow))).Store(output);

    public static uint Narrow(short* output, short* multiplier, sbyte* to)
    {
        Vector256<short> rounded = Avx2.MultiplyHighRoundScale(Vector256.Load(output), Vector256.Load(multiplier));
        StoreNarrow(rounded, to);
        return Vector256.GreaterThan(Vector256.Abs(rounded), Vector256.Create((short)127)).ExtractMostSignificantBits();
    }

    public static void StepHead(PackedHead head, short* x, float* outputs)
    {
        for (int r = 0; r < head.Head.OutputCount; r++)
        {
            short* w = head.Weight + (r * head.Stride);
            Vector256<int> sum = Avx2.MultiplyAddAdjacent(Vector256.Load(w), Vector256.Load(x));
            for (int j = PackedGates.BlockUnits; j < head.Stride; j += PackedGates.BlockUnits)
            {
                sum += Avx2.MultiplyAddAdjacent(Vector256.Load(w + j), Vector256.Load(x + j));
            }

            outputs[r] = (Vector256.Sum(sum) + head.Head.Bias[r]) * head.Head.Scale[r];
        }
    }

    [SkipLocalsInit]
    private static Vector256<short> OneArgument(PackedGates gates, int block, byte* x, byte* h, bool isNarrow)
    {
        int* sums = stackalloc int[SumCount];
        Sum<OneGate>(gates, block, x, h, isNarrow, sums);
        return Argument(gates.Multiplier(block, 0), gates.Bias(block, 0), 0, 0, sums, new Shifts(gates.Layer));
    }

    // W_h·h, then W_x·x, SumCount / 2 each.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Sum<TGates>(PackedGates gates, int block, byte* x, byte* h, bool isNarrow, int* sums)
        where TGates : struct, IGateCount
    {
        // The input first: it is there before h.
        Sum<TGates>(
            !gates.IsInputWide, gates.InputStart(block), x, gates.InputGroups, gates.Input(block), sums + (SumCount / 2));
        Sum<TGates>(isNarrow, gates.RecurrentStart(block), h, gates.RecurrentGroups, gates.Recurrent(block), sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Sum<TGates>(bool isNarrow, int* start, byte* activations, int groups, byte* w, int* sums)
        where TGates : struct, IGateCount
    {
        if (TDot.IsDoubled)
        {
            if (isNarrow)
            {
                Sums512<TGates>.AddNarrow(start, activations, groups, w, sums);
            }
            else
            {
                Sums512<TGates>.AddWide(start, activations, groups, w, sums);
            }
        }
        else if (isNarrow)
        {
            Sums256<TDot, TGates>.AddNarrow(start, activations, groups, w, sums);
        }
        else
        {
            Sums256<TDot, TGates>.AddWide(start, activations, groups, w, sums);
        }
    }

    // z = SAT16(SHR(m_h·SAT16(SHR(W_h·h, s_h)) + m_x·SAT16(SHR(W_x·x, s_x)) + b, s_z)); the roundings are in the starting values.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Argument(short* multiplier, int* bias, int slot, int gate, int* sums, Shifts shifts)
    {
        multiplier += 2 * slot * PackedGates.BlockUnits;
        bias += slot * PackedGates.BlockUnits;
        int* h = sums + (gate * PackedGates.BlockUnits);
        int* x = h + (SumCount / 2);
        return Avx2.PackSignedSaturate(
            Combine(Vector256.Load(h), Vector256.Load(x), multiplier, bias, shifts),
            Combine(Vector256.Load(h + 8), Vector256.Load(x + 8), multiplier + 16, bias + 8, shifts));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Combine(Vector256<int> fromHidden, Vector256<int> fromInput, short* multiplier, int* bias, Shifts shifts)
    {
        // Packing saturates; the shuffle puts each unit's pair side by side again.
        Vector256<sbyte> pairs = Avx2.Shuffle(
            Avx2.PackSignedSaturate(
                Avx2.ShiftRightArithmeticVariable(fromHidden, shifts.Hidden),
                Avx2.ShiftRightArithmeticVariable(fromInput, shifts.Input)).AsSByte(),
            Vector256.Create(
                (sbyte)0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15, 0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
        return Avx2.ShiftRightArithmeticVariable(
            TDot.AccumulatePairs(Vector256.Load(bias), pairs.AsInt16(), Vector256.Load(multiplier)),
            shifts.Gate);
    }

    // state + (1 - z)·(candidate - state) in 32 bits, rounded once: a closed gate keeps the state to the bit.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Blend(Vector256<short> z, short* state, Vector256<short> candidate)
    {
        Vector256<short> open = Vector256.Create(short.MaxValue) - z;
        Vector256<short> old = Vector256.Load(state);
        Vector256<int> half = Vector256.Create(1 << 14);
        Vector256<int> lower = Avx2.MultiplyAddAdjacent(Avx2.UnpackLow(open, -open), Avx2.UnpackLow(candidate, old));
        Vector256<int> upper = Avx2.MultiplyAddAdjacent(Avx2.UnpackHigh(open, -open), Avx2.UnpackHigh(candidate, old));
        lower = (lower + (Avx2.UnpackLow(Vector256<short>.Zero, old).AsInt32() >> 1) + half) >> 15;
        upper = (upper + (Avx2.UnpackHigh(Vector256<short>.Zero, old).AsInt32() >> 1) + half) >> 15;
        Avx2.PackSignedSaturate(lower, upper).Store(state);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreNarrow(Vector256<short> rounded, sbyte* to)
    {
        Vector256<short> clamped = Vector256.Max(rounded, Vector256.Create((short)-127));
        Sse2.PackSignedSaturate(clamped.GetLower(), clamped.GetUpper()).Store(to);
    }

    private static Vector256<short> Activate(Activation activation, Vector256<short> z) => activation switch
    {
        Activation.Tanh => Activations256.Tanh(z),
        Activation.Sigmoid => Activations256.Sigmoid(z),
        Activation.Ramp => Vector256.Max(z, Vector256<short>.Zero),
        _ => z,
    };

    private static Vector256<short> Clip(GateLayer layer, int gate, Vector256<short> z) =>
        layer.Clip is null ? z : Vector256.Clamp(z, Vector256.Create(layer.Clip[2 * gate]), Vector256.Create(layer.Clip[(2 * gate) + 1]));

    // Shifts by a vector of counts are one operation, shifts by a count in a register are two.
    private readonly struct Shifts(GateLayer layer)
    {
        internal readonly Vector256<uint> Hidden = Vector256.Create((uint)layer.RecurrentShift);
        internal readonly Vector256<uint> Input = Vector256.Create((uint)layer.InputShift);
        internal readonly Vector256<uint> Gate = Vector256.Create((uint)layer.GateShift);
    }
}
