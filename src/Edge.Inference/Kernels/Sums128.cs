using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Edge.Inference.Kernels;

/// <summary>
/// The sums of a block of 16 units, of one, two or four gates that follow each other in the packing. As with
/// <see cref="Sums256{TDot, TGates}"/>, each loop is a method of its own and its accumulators are local variables.
/// </summary>
internal static unsafe class Sums128<T, TWidth, TGates>
    where T : struct, IInstructions128
    where TWidth : struct, IWidth128
    where TGates : struct, IGateCount
{
    /// <summary>Groups of activations times their weights.</summary>
    /// <param name="start">First value of each accumulator.</param>
    /// <param name="activations">The activations, one after the other.</param>
    /// <param name="groups">How many groups.</param>
    /// <param name="w">Their weights.</param>
    /// <param name="stride">Bytes from group to group of weights.</param>
    /// <param name="sums">Receives 16 int32 a gate.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void Add(int* start, byte* activations, int groups, byte* w, nint stride, int* sums)
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
            Vector128<int> x = Vector128.Create(*(int*)activations);
            a0 = TWidth.Dot<T>(a0, x, w);
            a1 = TWidth.Dot<T>(a1, x, w + 16);
            a2 = TWidth.Dot<T>(a2, x, w + 32);
            a3 = TWidth.Dot<T>(a3, x, w + 48);
            if (TGates.Count > 1)
            {
                b0 = TWidth.Dot<T>(b0, x, w + 64);
                b1 = TWidth.Dot<T>(b1, x, w + 80);
                b2 = TWidth.Dot<T>(b2, x, w + 96);
                b3 = TWidth.Dot<T>(b3, x, w + 112);
            }

            if (TGates.Count > 2)
            {
                c0 = TWidth.Dot<T>(c0, x, w + 128);
                c1 = TWidth.Dot<T>(c1, x, w + 144);
                c2 = TWidth.Dot<T>(c2, x, w + 160);
                c3 = TWidth.Dot<T>(c3, x, w + 176);
                d0 = TWidth.Dot<T>(d0, x, w + 192);
                d1 = TWidth.Dot<T>(d1, x, w + 208);
                d2 = TWidth.Dot<T>(d2, x, w + 224);
                d3 = TWidth.Dot<T>(d3, x, w + 240);
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

/// <summary>What a group of activations is; a group is four bytes, and so are the weights of each of its sums.</summary>
internal unsafe interface IWidth128
{
    /// <summary>Adds the products of a group to four sums.</summary>
    static abstract Vector128<int> Dot<T>(Vector128<int> sums, Vector128<int> group, byte* w)
        where T : struct, IInstructions128;
}

/// <summary>Four int8 activations.</summary>
internal readonly unsafe struct NarrowWidth128 : IWidth128
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot<T>(Vector128<int> sums, Vector128<int> group, byte* w)
        where T : struct, IInstructions128 => T.Dot(sums, group.AsSByte(), Vector128.Load((sbyte*)w));
}

/// <summary>Two int16 activations.</summary>
internal readonly unsafe struct WideWidth128 : IWidth128
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot<T>(Vector128<int> sums, Vector128<int> group, byte* w)
        where T : struct, IInstructions128 => T.PairDot(sums, group.AsInt16(), Vector128.Load((short*)w));
}
