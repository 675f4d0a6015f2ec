using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Edge.Inference.Kernels;

/// <summary>
/// The sums of <see cref="Sums256{TDot, TGates}"/> by AVX-512: A and B of a gate lie side by side and are one vector.
/// </summary>
internal static unsafe class Sums512<TGates>
    where TGates : struct, IGateCount
{
    /// <summary>Groups of four int8 activations times their weights.</summary>
    /// <param name="start">First value of each accumulator.</param>
    /// <param name="activations">As <see cref="IDotProduct256.HasSigns"/> has them lie, with signs.</param>
    /// <param name="groups">How many groups.</param>
    /// <param name="w">Their weights.</param>
    /// <param name="sums">Receives 16 int32 a gate.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void AddNarrow(int* start, byte* activations, int groups, byte* w, int* sums)
    {
        Vector512<int> v0 = Vector512.Load(start);
        Vector512<int> v1 = TGates.Count > 1 ? Vector512.Load(start + 16) : default;
        Vector512<int> v2 = TGates.Count > 2 ? Vector512.Load(start + 32) : default;
        Vector512<int> v3 = TGates.Count > 3 ? Vector512.Load(start + 48) : default;
        byte* ofSigns = activations;
        activations += 8;
        for (byte* end = activations + (8 * groups); activations < end; activations += 8, w += TGates.Count * 64)
        {
            Vector512<byte> a = Vector512.Create(*(int*)activations).AsByte();
            Vector512<sbyte> signs = Vector512.Create(*(int*)(activations + 4)).AsSByte();
            v0 = Accumulate(v0, a, signs, Vector512.Load((sbyte*)w));
            v1 = TGates.Count > 1 ? Accumulate(v1, a, signs, Vector512.Load((sbyte*)w + 64)) : default;
            v2 = TGates.Count > 2 ? Accumulate(v2, a, signs, Vector512.Load((sbyte*)w + 128)) : default;
            v3 = TGates.Count > 3 ? Accumulate(v3, a, signs, Vector512.Load((sbyte*)w + 192)) : default;
        }

        // Last, as it is known last.
        Vector512<int> all = Vector512.Create(*(int*)ofSigns);
        Store(v0 + all, v1 + all, v2 + all, v3 + all, sums);
    }

    /// <summary>The same with groups of two int16 activations.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void AddWide(int* start, byte* activations, int groups, byte* w, int* sums)
    {
        Vector512<int> v0 = Vector512.Load(start);
        Vector512<int> v1 = TGates.Count > 1 ? Vector512.Load(start + 16) : default;
        Vector512<int> v2 = TGates.Count > 2 ? Vector512.Load(start + 32) : default;
        Vector512<int> v3 = TGates.Count > 3 ? Vector512.Load(start + 48) : default;
        for (byte* end = activations + (4 * groups); activations < end; activations += 4, w += TGates.Count * 64)
        {
            Vector512<short> a = Vector512.Create(*(int*)activations).AsInt16();
            v0 += Avx512BW.MultiplyAddAdjacent(a, Vector512.Load((short*)w));
            v1 = TGates.Count > 1 ? v1 + Avx512BW.MultiplyAddAdjacent(a, Vector512.Load((short*)w + 32)) : default;
            v2 = TGates.Count > 2 ? v2 + Avx512BW.MultiplyAddAdjacent(a, Vector512.Load((short*)w + 64)) : default;
            v3 = TGates.Count > 3 ? v3 + Avx512BW.MultiplyAddAdjacent(a, Vector512.Load((short*)w + 96)) : default;
        }

        Store(v0, v1, v2, v3, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Accumulate(Vector512<int> sum, Vector512<byte> a, Vector512<sbyte> signs, Vector512<sbyte> w) =>
        sum + Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(a, w ^ signs), Vector512<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<int> v0, Vector512<int> v1, Vector512<int> v2, Vector512<int> v3, int* sums)
    {
        v0.Store(sums);
        if (TGates.Count > 1)
        {
            v1.Store(sums + 16);
        }

        if (TGates.Count > 2)
        {
            v2.Store(sums + 32);
        }

        if (TGates.Count > 3)
        {
            v3.Store(sums + 48);
        }
    }
}
