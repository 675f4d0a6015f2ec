using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Edge.Inference.Kernels;

/// <summary>The accumulators of a block of 16 units, A and B of up to four gates; the JIT keeps the fields in registers.</summary>
internal unsafe struct Sums256<TDot, TGates>
    where TDot : struct, IDotProduct256
    where TGates : struct, IGateCount
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
    internal static Sums256<TDot, TGates> Load(int* start) => new()
    {
        V0 = Vector256.Load(start),
        V1 = Vector256.Load(start + 8),
        V2 = TGates.Count > 1 ? Vector256.Load(start + 16) : default,
        V3 = TGates.Count > 1 ? Vector256.Load(start + 24) : default,
        V4 = TGates.Count > 2 ? Vector256.Load(start + 32) : default,
        V5 = TGates.Count > 2 ? Vector256.Load(start + 40) : default,
        V6 = TGates.Count > 3 ? Vector256.Load(start + 48) : default,
        V7 = TGates.Count > 3 ? Vector256.Load(start + 56) : default,
    };

    /// <summary>Adds groups of four int8 activations, or of two int16 ones, with their weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Add(byte* activations, int groups, byte* w, bool areWide)
    {
        byte* end = activations + (4 * groups);
        if (areWide)
        {
            for (; activations < end; activations += 4, w += TGates.Count * 64)
            {
                PairDot(Vector256.Create(*(int*)activations).AsInt16(), (short*)w);
            }
        }
        else
        {
            for (; activations < end; activations += 4, w += TGates.Count * 64)
            {
                Dot(Vector256.Create(*(int*)activations).AsSByte(), (sbyte*)w);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Dot(Vector256<sbyte> activations, sbyte* w)
    {
        V0 = TDot.Accumulate(V0, activations, Vector256.Load(w));
        V1 = TDot.Accumulate(V1, activations, Vector256.Load(w + 32));
        if (TGates.Count > 1)
        {
            V2 = TDot.Accumulate(V2, activations, Vector256.Load(w + 64));
            V3 = TDot.Accumulate(V3, activations, Vector256.Load(w + 96));
        }

        if (TGates.Count > 2)
        {
            V4 = TDot.Accumulate(V4, activations, Vector256.Load(w + 128));
            V5 = TDot.Accumulate(V5, activations, Vector256.Load(w + 160));
        }

        if (TGates.Count > 3)
        {
            V6 = TDot.Accumulate(V6, activations, Vector256.Load(w + 192));
            V7 = TDot.Accumulate(V7, activations, Vector256.Load(w + 224));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void PairDot(Vector256<short> pair, short* w)
    {
        V0 = TDot.AccumulatePairs(V0, pair, Vector256.Load(w));
        V1 = TDot.AccumulatePairs(V1, pair, Vector256.Load(w + 16));
        if (TGates.Count > 1)
        {
            V2 = TDot.AccumulatePairs(V2, pair, Vector256.Load(w + 32));
            V3 = TDot.AccumulatePairs(V3, pair, Vector256.Load(w + 48));
        }

        if (TGates.Count > 2)
        {
            V4 = TDot.AccumulatePairs(V4, pair, Vector256.Load(w + 64));
            V5 = TDot.AccumulatePairs(V5, pair, Vector256.Load(w + 80));
        }

        if (TGates.Count > 3)
        {
            V6 = TDot.AccumulatePairs(V6, pair, Vector256.Load(w + 96));
            V7 = TDot.AccumulatePairs(V7, pair, Vector256.Load(w + 112));
        }
    }
}
