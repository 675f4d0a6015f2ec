using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Edge.Inference.Kernels;

/// <summary>The sums of a block of 16 units: A and B of up to four gates, eight int32 each.</summary>
/// <remarks>
/// Each loop is a method of its own, its accumulators are local variables: as fields, or inside a larger method, the JIT keeps them in
/// memory, and the loop takes up to twice as long.
/// </remarks>
internal static unsafe class Sums256<TDot, TGates>
    where TDot : struct, IDotProduct256
    where TGates : struct, IGateCount
{
    /// <summary>Groups of four int8 activations times their weights.</summary>
    /// <param name="start">First value of each accumulator.</param>
    /// <param name="activations">As <see cref="IDotProduct256.HasSigns"/> has them lie.</param>
    /// <param name="groups">How many groups.</param>
    /// <param name="w">Their weights.</param>
    /// <param name="sums">Receives 16 int32 a gate.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void AddNarrow(int* start, byte* activations, int groups, byte* w, int* sums)
    {
        Vector256<int> v0 = Vector256.Load(start);
        Vector256<int> v1 = Vector256.Load(start + 8);
        Vector256<int> v2 = TGates.Count > 1 ? Vector256.Load(start + 16) : default;
        Vector256<int> v3 = TGates.Count > 1 ? Vector256.Load(start + 24) : default;
        Vector256<int> v4 = TGates.Count > 2 ? Vector256.Load(start + 32) : default;
        Vector256<int> v5 = TGates.Count > 2 ? Vector256.Load(start + 40) : default;
        Vector256<int> v6 = TGates.Count > 3 ? Vector256.Load(start + 48) : default;
        Vector256<int> v7 = TGates.Count > 3 ? Vector256.Load(start + 56) : default;
        int stride = TDot.HasSigns ? 8 : 4;
        byte* ofSigns = activations;
        activations += TDot.HasSigns ? stride : 0;
        for (byte* end = activations + (stride * groups); activations < end; activations += stride, w += TGates.Count * 64)
        {
            Vector256<byte> a = Vector256.Create(*(int*)activations).AsByte();
            Vector256<sbyte> signs = TDot.HasSigns ? Vector256.Create(*(int*)(activations + 4)).AsSByte() : default;
            v0 = TDot.Accumulate(v0, a, signs, Vector256.Load((sbyte*)w));
            v1 = TDot.Accumulate(v1, a, signs, Vector256.Load((sbyte*)w + 32));
            if (TGates.Count > 1)
            {
                v2 = TDot.Accumulate(v2, a, signs, Vector256.Load((sbyte*)w + 64));
                v3 = TDot.Accumulate(v3, a, signs, Vector256.Load((sbyte*)w + 96));
            }

            if (TGates.Count > 2)
            {
                v4 = TDot.Accumulate(v4, a, signs, Vector256.Load((sbyte*)w + 128));
                v5 = TDot.Accumulate(v5, a, signs, Vector256.Load((sbyte*)w + 160));
            }

            if (TGates.Count > 3)
            {
                v6 = TDot.Accumulate(v6, a, signs, Vector256.Load((sbyte*)w + 192));
                v7 = TDot.Accumulate(v7, a, signs, Vector256.Load((sbyte*)w + 224));
            }
        }

        // Last, as it is known last.
        if (TDot.HasSigns)
        {
            Vector256<int> all = Vector256.Create(*(int*)ofSigns);
            (v0, v1, v2, v3) = (v0 + all, v1 + all, v2 + all, v3 + all);
            (v4, v5, v6, v7) = (v4 + all, v5 + all, v6 + all, v7 + all);
        }

        v0.Store(sums);
        v1.Store(sums + 8);
        if (TGates.Count > 1)
        {
            v2.Store(sums + 16);
            v3.Store(sums + 24);
        }

        if (TGates.Count > 2)
        {
            v4.Store(sums + 32);
            v5.Store(sums + 40);
        }

        if (TGates.Count > 3)
        {
            v6.Store(sums + 48);
            v7.Store(sums + 56);
        }
    }

    /// <summary>The same with groups of two int16 activations.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void AddWide(int* start, byte* activations, int groups, byte* w, int* sums)
    {
        Vector256<int> v0 = Vector256.Load(start);
        Vector256<int> v1 = Vector256.Load(start + 8);
        Vector256<int> v2 = TGates.Count > 1 ? Vector256.Load(start + 16) : default;
        Vector256<int> v3 = TGates.Count > 1 ? Vector256.Load(start + 24) : default;
        Vector256<int> v4 = TGates.Count > 2 ? Vector256.Load(start + 32) : default;
        Vector256<int> v5 = TGates.Count > 2 ? Vector256.Load(start + 40) : default;
        Vector256<int> v6 = TGates.Count > 3 ? Vector256.Load(start + 48) : default;
        Vector256<int> v7 = TGates.Count > 3 ? Vector256.Load(start + 56) : default;
        for (byte* end = activations + (4 * groups); activations < end; activations += 4, w += TGates.Count * 64)
        {
            Vector256<short> a = Vector256.Create(*(int*)activations).AsInt16();
            v0 = TDot.AccumulatePairs(v0, a, Vector256.Load((short*)w));
            v1 = TDot.AccumulatePairs(v1, a, Vector256.Load((short*)w + 16));
            if (TGates.Count > 1)
            {
                v2 = TDot.AccumulatePairs(v2, a, Vector256.Load((short*)w + 32));
                v3 = TDot.AccumulatePairs(v3, a, Vector256.Load((short*)w + 48));
            }

            if (TGates.Count > 2)
            {
                v4 = TDot.AccumulatePairs(v4, a, Vector256.Load((short*)w + 64));
                v5 = TDot.AccumulatePairs(v5, a, Vector256.Load((short*)w + 80));
            }

            if (TGates.Count > 3)
            {
                v6 = TDot.AccumulatePairs(v6, a, Vector256.Load((short*)w + 96));
                v7 = TDot.AccumulatePairs(v7, a, Vector256.Load((short*)w + 112));
            }
        }

        v0.Store(sums);
        v1.Store(sums + 8);
        if (TGates.Count > 1)
        {
            v2.Store(sums + 16);
            v3.Store(sums + 24);
        }

        if (TGates.Count > 2)
        {
            v4.Store(sums + 32);
            v5.Store(sums + 40);
        }

        if (TGates.Count > 3)
        {
            v6.Store(sums + 48);
            v7.Store(sums + 56);
        }
    }
}
