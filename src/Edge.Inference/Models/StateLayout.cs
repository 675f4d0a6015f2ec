using System.Runtime.InteropServices;
using Edge.Inference.Cells;

namespace Edge.Inference.Models;

/// <summary>
/// Where a stream's state keeps what: the last rows of a regression on them and the int16 states of all layers first, so that they are
/// aligned, then the int8 states.
/// </summary>
internal sealed class StateLayout
{
    private readonly byte[] _initial;

    internal StateLayout(Layer[] layers, LagRegression? lags = null)
    {
        Wide = new int[layers.Length];
        Narrow = new int[layers.Length];
        LagBytes = (lags?.StateCount ?? 0) * sizeof(short);
        int at = LagBytes;
        for (int l = 0; l < layers.Length; l++)
        {
            Wide[l] = at;
            at += layers[l].WideCount * sizeof(short);
        }

        NarrowBegin = at;
        for (int l = 0; l < layers.Length; l++)
        {
            Narrow[l] = at;
            at += layers[l].NarrowCount;
        }

        _initial = new byte[at];
        for (int l = 0; l < layers.Length; l++)
        {
            MemoryMarshal.AsBytes<short>(layers[l].InitialWide).CopyTo(_initial.AsSpan(Wide[l]));
            MemoryMarshal.AsBytes<sbyte>(layers[l].InitialNarrow).CopyTo(_initial.AsSpan(Narrow[l]));
        }
    }

    /// <summary>Bytes of the last rows, from 0 on.</summary>
    internal int LagBytes { get; }

    /// <summary>Byte offset of each layer's int16 states; an LSTM's cell state comes before its hidden state.</summary>
    internal int[] Wide { get; }

    /// <summary>Byte offset of each layer's int8 states.</summary>
    internal int[] Narrow { get; }

    /// <summary>Byte offset of the first int8 state.</summary>
    internal int NarrowBegin { get; }

    /// <summary>Bytes of a state.</summary>
    internal int Bytes => _initial.Length;

    /// <summary>What a stream starts from.</summary>
    internal ReadOnlySpan<byte> Initial => _initial;
}
