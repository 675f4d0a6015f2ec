using System.Runtime.CompilerServices;
using Edge.Inference.Models;

namespace Edge.Inference.Kernels;

/// <summary>
/// The whole model by a vector kernel. Up to <see cref="StatesMax"/> states go through each block of weights before the next
/// block is touched, so that weights come from memory once for all of them.
/// </summary>
internal sealed unsafe class VectorStepper<TKernel> : ModelStepper
    where TKernel : struct, IKernel
{
    private const int StatesMax = 16;
    private const int BlockUnits = PackedLstm.BlockUnits;

    private readonly EdgeModel _model;
    private readonly PackedLstm[] _layers;
    private readonly PackedDense _head;
    private readonly int _xStride;
    private readonly int _hStride;
    private readonly int _cellBytes;
    private readonly PinnedBuffer _x;
    private readonly PinnedBuffer _h;
    private readonly PinnedBuffer _hidden;

    internal VectorStepper(EdgeModel model)
        : base(model)
    {
        _model = model;
        PackedModel packed = model.Packed(TKernel.ActivationOffset);
        _layers = packed.Layers;
        _head = packed.Head;
        int units = _layers.Max(layer => layer.Blocks) * BlockUnits;
        _hStride = units;
        _xStride = Math.Max(units, (2 * model.InputCount) + 2);
        _cellBytes = model.StateBytes / 3 * 2;
        _x = new PinnedBuffer(StatesMax * _xStride);
        _h = new PinnedBuffer(StatesMax * _hStride);
        _hidden = new PinnedBuffer(StatesMax * units * sizeof(short));
    }

    internal override void Step(Span<byte> states, ReadOnlySpan<short> x, Span<float> outputs, int count)
    {
        fixed (byte* state = states)
        fixed (short* input = x)
        fixed (float* output = outputs)
        {
            for (int begin = 0; begin < count; begin += StatesMax)
            {
                StepChunk(
                    state + ((long)begin * _model.StateBytes), input + ((long)begin * _model.InputCount), output + ((long)begin * _model.OutputCount),
                    Math.Min(StatesMax, count - begin));
            }
        }

        // Kernels hold bare pointers into the buffers of this object and its packed model: neither may be collected under them.
        GC.KeepAlive(this);
    }

    private void StepChunk(byte* states, short* input, float* outputs, int count)
    {
        int inputs = _model.InputCount;
        for (int s = 0; s < count; s++)
        {
            Unsafe.CopyBlockUnaligned(_x.Pointer + (s * _xStride), input + (s * inputs), (uint)(inputs * sizeof(short)));
        }

        int unit = 0;
        for (int l = 0; l < _layers.Length; l++)
        {
            PackedLstm layer = _layers[l];
            int units = layer.Cell.HiddenCount;
            for (int s = 0; s < count; s++)
            {
                CopyActivations(states + (s * _model.StateBytes) + _cellBytes + unit, _h.Pointer + (s * _hStride), units);
            }

            for (int block = 0; block < layer.Blocks; block++)
            {
                int first = block * BlockUnits;
                for (int s = 0; s < count; s++)
                {
                    byte* state = states + (s * _model.StateBytes);
                    short* c = (short*)state + unit + first;
                    sbyte* h = (sbyte*)state + _cellBytes + unit + first;
                    short* hidden = (short*)_hidden.Pointer + (s * _hStride) + first;
                    uint clipped = units - first >= BlockUnits
                        ? TKernel.StepBlock(layer, block, _x.Pointer + (s * _xStride), _h.Pointer + (s * _hStride), h, c, hidden)
                        : StepLastBlock(layer, block, s, h, c, hidden, units - first);
                    if (clipped != 0)
                    {
                        CountSaturations(clipped, unit + first);
                    }
                }
            }

            if (l + 1 < _layers.Length)
            {
                for (int s = 0; s < count; s++)
                {
                    CopyActivations(states + (s * _model.StateBytes) + _cellBytes + unit, _x.Pointer + (s * _xStride), units);
                }
            }

            unit += units;
        }

        for (int s = 0; s < count; s++)
        {
            TKernel.StepDense(_head, (short*)_hidden.Pointer + (s * _hStride), outputs + (s * _model.OutputCount));
        }
    }

    // A block that reaches past the layer's last unit works on copies: what follows in the state is not its own.
    private uint StepLastBlock(PackedLstm layer, int block, int s, sbyte* h, short* c, short* hidden, int units)
    {
        short* cells = stackalloc short[BlockUnits];
        sbyte* newH = stackalloc sbyte[BlockUnits];
        new Span<short>(c, units).CopyTo(new Span<short>(cells, BlockUnits));
        uint clipped = TKernel.StepBlock(layer, block, _x.Pointer + (s * _xStride), _h.Pointer + (s * _hStride), newH, cells, hidden);
        new Span<short>(cells, units).CopyTo(new Span<short>(c, units));
        new Span<sbyte>(newH, units).CopyTo(new Span<sbyte>(h, units));
        return clipped & (((1u << units) - 1) * 0x10001u);
    }

    // Hidden states as the dot products want them; what lies behind the last unit meets only zero weights.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyActivations(byte* from, byte* to, int units)
    {
        if (TKernel.ActivationOffset == 0)
        {
            Unsafe.CopyBlockUnaligned(to, from, (uint)units);
            return;
        }

        // Adding 128 to an int8 and reading it as a byte is flipping its highest bit.
        int j = 0;
        for (; j + 8 <= units; j += 8)
        {
            *(ulong*)(to + j) = *(ulong*)(from + j) ^ 0x8080808080808080;
        }

        for (; j < units; j++)
        {
            to[j] = (byte)(from[j] ^ 0x80);
        }
    }
}
