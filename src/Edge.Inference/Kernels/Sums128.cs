using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Edge.Inference.Kernels;

/// <summary>The accumulators of 16 units of one gate, A, or of two, A and B; the JIT keeps the fields in registers.</summary>
internal unsafe struct Sums128<T, TGates>
    where T : struct, IInstructions128
    where TGates : struct, IGateCount
{
    internal Vector128<int> A0;
    internal Vector128<int> A1;
    internal Vector128<int> A2;
    internal Vector128<int> A3;
    internal Vector128<int> B0;
    internal Vector128<int> B1;
    internal Vector128<int> B2;
    internal Vector128<int> B3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Sums128<T, TGates> Load(int* start) => new()
    {
        A0 = Vector128.Load(start),
        A1 = Vector128.Load(start + 4),
        A2 = Vector128.Load(start + 8),
        A3 = Vector128.Load(start + 12),
        B0 = TGates.Count > 1 ? Vector128.Load(start + 16) : default,
        B1 = TGates.Count > 1 ? Vector128.Load(start + 20) : default,
        B2 = TGates.Count > 1 ? Vector128.Load(start + 24) : default,
        B3 = TGates.Count > 1 ? Vector128.Load(start + 28) : default,
    };

    /// <summary>
    /// Adds groups of four int8 activations, or of two int16 ones, with their weights, which lie <paramref name="stride"/> bytes apart.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Add(byte* activations, int groups, byte* w, int stride, bool areWide)
    {
        byte* end = activations + (4 * groups);
        if (areWide)
        {
            for (; activations < end; activations += 4, w += stride)
            {
                PairDot(Vector128.Create(*(int*)activations).AsInt16(), (short*)w);
            }
        }
        else
        {
            for (; activations < end; activations += 4, w += stride)
            {
                Dot(Vector128.Create(*(int*)activations).AsSByte(), (sbyte*)w);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Dot(Vector128<sbyte> activations, sbyte* w)
    {
        A0 = T.Dot(A0, activations, Vector128.Load(w));
        A1 = T.Dot(A1, activations, Vector128.Load(w + 16));
        A2 = T.Dot(A2, activations, Vector128.Load(w + 32));
        A3 = T.Dot(A3, activations, Vector128.Load(w + 48));
        if (TGates.Count > 1)
        {
            B0 = T.Dot(B0, activations, Vector128.Load(w + 64));
            B1 = T.Dot(B1, activations, Vector128.Load(w + 80));
            B2 = T.Dot(B2, activations, Vector128.Load(w + 96));
            B3 = T.Dot(B3, activations, Vector128.Load(w + 112));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void PairDot(Vector128<short> pair, short* w)
    {
        A0 = T.PairDot(A0, pair, Vector128.Load(w));
        A1 = T.PairDot(A1, pair, Vector128.Load(w + 8));
        A2 = T.PairDot(A2, pair, Vector128.Load(w + 16));
        A3 = T.PairDot(A3, pair, Vector128.Load(w + 24));
        if (TGates.Count > 1)
        {
            B0 = T.PairDot(B0, pair, Vector128.Load(w + 32));
            B1 = T.PairDot(B1, pair, Vector128.Load(w + 40));
            B2 = T.PairDot(B2, pair, Vector128.Load(w + 48));
            B3 = T.PairDot(B3, pair, Vector128.Load(w + 56));
        }
    }
}
