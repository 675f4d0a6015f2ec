using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Edge.Inference.Kernels;

/// <summary>
/// The sums of a block of 16 units, of one, two or four gates that follow each other in the packing. As with
/// <see cref="Sums256{TDot, TGates}"/>, each loop is a method of its own and its accumulators are local variables.
/// </summary>
internal static unsafe class Sums128<T, TGates>
    where T : struct, IInstructions128
    where TGates : struct, IGateCount
{
    /// <summary>Groups of four int8 activations times their weights.</summary>
    /// <param name="start">First value of each accumulator.</param>
    /// <param name="activations">The activations, one after the other.</param>
    /// <param name="groups">How many groups.</param>
    /// <param name="w">Their weights.</param>
    /// <param name="stride">Bytes from group to group of weights.</param>
    /// <param name="sums">Receives 16 int32 a gate.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void AddNarrow(int* start, byte* activations, int groups, byte* w, nint stride, int* sums)
    {
        Vector128<int> a0 = Vector128.Load(start);
        Vector128<int> a1 = Vector128.Load(start + 4);
        Vector128<int> a2 = Vector128.Load(start + 8);
        Vector128<int> a3 = Vector128.Load(start + 12);
        Vector128<int> b0 = TGates.Count > 1 ? Vector128.Load(start + 16) : default;
        Vector128<int> b1 = TGates.Count > 1 ? Vector128.Load(start + 20) : default;
        Vector128<int> b2 = TGates.Count > 1 ? Vector128.Load(start + 24) : default;
        Vector128<int> b3 = TGates.Count > 1 ? Vector128.Load(start + 28) : default;
        Vector128<int> c0 = TGates.Count > 2 ? Vector128.Load(start + 32) : default;
        Vector128<int> c1 = TGates.Count > 2 ? Vector128.Load(start + 36) : default;
        Vector128<int> c2 = TGates.Count > 2 ? Vector128.Load(start + 40) : default;
        Vector128<int> c3 = TGates.Count > 2 ? Vector128.Load(start + 44) : default;
        Vector128<int> d0 = TGates.Count > 2 ? Vector128.Load(start + 48) : default;
        Vector128<int> d1 = TGates.Count > 2 ? Vector128.Load(start + 52) : default;
        Vector128<int> d2 = TGates.Count > 2 ? Vector128.Load(start + 56) : default;
        Vector128<int> d3 = TGates.Count > 2 ? Vector128.Load(start + 60) : default;
        for (byte* end = activations + (4 * groups); activations < end; activations += 4, w += stride)
        {
            Vector128<sbyte> x = Vector128.Create(*(int*)activations).AsSByte();
            a0 = T.Dot(a0, x, Vector128.Load((sbyte*)w));
            a1 = T.Dot(a1, x, Vector128.Load((sbyte*)w + 16));
            a2 = T.Dot(a2, x, Vector128.Load((sbyte*)w + 32));
            a3 = T.Dot(a3, x, Vector128.Load((sbyte*)w + 48));
            if (TGates.Count > 1)
            {
                b0 = T.Dot(b0, x, Vector128.Load((sbyte*)w + 64));
                b1 = T.Dot(b1, x, Vector128.Load((sbyte*)w + 80));
                b2 = T.Dot(b2, x, Vector128.Load((sbyte*)w + 96));
                b3 = T.Dot(b3, x, Vector128.Load((sbyte*)w + 112));
            }

            if (TGates.Count > 2)
            {
                c0 = T.Dot(c0, x, Vector128.Load((sbyte*)w + 128));
                c1 = T.Dot(c1, x, Vector128.Load((sbyte*)w + 144));
                c2 = T.Dot(c2, x, Vector128.Load((sbyte*)w + 160));
                c3 = T.Dot(c3, x, Vector128.Load((sbyte*)w + 176));
                d0 = T.Dot(d0, x, Vector128.Load((sbyte*)w + 192));
                d1 = T.Dot(d1, x, Vector128.Load((sbyte*)w + 208));
                d2 = T.Dot(d2, x, Vector128.Load((sbyte*)w + 224));
                d3 = T.Dot(d3, x, Vector128.Load((sbyte*)w + 240));
            }
        }

        a0.Store(sums);
        a1.Store(sums + 4);
        a2.Store(sums + 8);
        a3.Store(sums + 12);

        if (TGates.Count > 1)
        {
            b0.Store(sums + 16);
            b1.Store(sums + 20);
            b2.Store(sums + 24);
            b3.Store(sums + 28);
        }

        if (TGates.Count > 2)
        {
            c0.Store(sums + 32);
            c1.Store(sums + 36);
            c2.Store(sums + 40);
            c3.Store(sums + 44);
            d0.Store(sums + 48);
            d1.Store(sums + 52);
            d2.Store(sums + 56);
            d3.Store(sums + 60);
        }
    }

    /// <summary>The same with groups of two int16 activations.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void AddWide(int* start, byte* activations, int groups, byte* w, nint stride, int* sums)
    {
        Vector128<int> a0 = Vector128.Load(start);
        Vector128<int> a1 = Vector128.Load(start + 4);
        Vector128<int> a2 = Vector128.Load(start + 8);
        Vector128<int> a3 = Vector128.Load(start + 12);
        Vector128<int> b0 = TGates.Count > 1 ? Vector128.Load(start + 16) : default;
        Vector128<int> b1 = TGates.Count > 1 ? Vector128.Load(start + 20) : default;
        Vector128<int> b2 = TGates.Count > 1 ? Vector128.Load(start + 24) : default;
        Vector128<int> b3 = TGates.Count > 1 ? Vector128.Load(start + 28) : default;
        Vector128<int> c0 = TGates.Count > 2 ? Vector128.Load(start + 32) : default;
        Vector128<int> c1 = TGates.Count > 2 ? Vector128.Load(start + 36) : default;
        Vector128<int> c2 = TGates.Count > 2 ? Vector128.Load(start + 40) : default;
        Vector128<int> c3 = TGates.Count > 2 ? Vector128.Load(start + 44) : default;
        Vector128<int> d0 = TGates.Count > 2 ? Vector128.Load(start + 48) : default;
        Vector128<int> d1 = TGates.Count > 2 ? Vector128.Load(start + 52) : default;
        Vector128<int> d2 = TGates.Count > 2 ? Vector128.Load(start + 56) : default;
        Vector128<int> d3 = TGates.Count > 2 ? Vector128.Load(start + 60) : default;
        for (byte* end = activations + (4 * groups); activations < end; activations += 4, w += stride)
        {
            Vector128<short> x = Vector128.Create(*(int*)activations).AsInt16();
            a0 = T.PairDot(a0, x, Vector128.Load((short*)w));
            a1 = T.PairDot(a1, x, Vector128.Load((short*)w + 8));
            a2 = T.PairDot(a2, x, Vector128.Load((short*)w + 16));
            a3 = T.PairDot(a3, x, Vector128.Load((short*)w + 24));
            if (TGates.Count > 1)
            {
                b0 = T.PairDot(b0, x, Vector128.Load((short*)w + 32));
                b1 = T.PairDot(b1, x, Vector128.Load((short*)w + 40));
                b2 = T.PairDot(b2, x, Vector128.Load((short*)w + 48));
                b3 = T.PairDot(b3, x, Vector128.Load((short*)w + 56));
            }

            if (TGates.Count > 2)
            {
                c0 = T.PairDot(c0, x, Vector128.Load((short*)w + 64));
                c1 = T.PairDot(c1, x, Vector128.Load((short*)w + 72));
                c2 = T.PairDot(c2, x, Vector128.Load((short*)w + 80));
                c3 = T.PairDot(c3, x, Vector128.Load((short*)w + 88));
                d0 = T.PairDot(d0, x, Vector128.Load((short*)w + 96));
                d1 = T.PairDot(d1, x, Vector128.Load((short*)w + 104));
                d2 = T.PairDot(d2, x, Vector128.Load((short*)w + 112));
                d3 = T.PairDot(d3, x, Vector128.Load((short*)w + 120));
            }
        }

        a0.Store(sums);
        a1.Store(sums + 4);
        a2.Store(sums + 8);
        a3.Store(sums + 12);

        if (TGates.Count > 1)
        {
            b0.Store(sums + 16);
            b1.Store(sums + 20);
            b2.Store(sums + 24);
            b3.Store(sums + 28);
        }

        if (TGates.Count > 2)
        {
            c0.Store(sums + 32);
            c1.Store(sums + 36);
            c2.Store(sums + 40);
            c3.Store(sums + 44);
            d0.Store(sums + 48);
            d1.Store(sums + 52);
            d2.Store(sums + 56);
            d3.Store(sums + 60);
        }
    }
}
