using System.Runtime.CompilerServices;
using Edge.Inference.Cells;
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

    // Blocks of a state whose products are there at once, in a call of one state and of many: as few as still overlap, since all states of
    // a call have theirs in the first-level cache.
    private const int BlocksAlone = 16;
    private const int BlocksTogether = 4;
    private const int BlockUnits = PackedGates.BlockUnits;

    private readonly PackedModel _packed;
    private readonly PackedLayer?[] _layers;
    private readonly BlockStepper?[] _blocks;
    private readonly VectorLags? _lags;

    // Outputs that residual connections read, of each state.
    private readonly PinnedBuffer?[] _kept;
    private readonly int _statesMax;
    private readonly int _blocksMax;
    private readonly int[] _units;
    private readonly int _lastFractionBits;
    private readonly int[] _wide;
    private readonly int[] _narrow;
    private readonly int _stateBytes;
    private readonly int _features;
    private readonly int _outputs;
    private readonly int _xStride;
    private readonly int _unitStride;

    // Also of int8 activations as products read them.
    private readonly int _hStride;
    private readonly PinnedBuffer _x;
    private readonly PinnedBuffer _h;
    private readonly PinnedBuffer _narrowed;
    private readonly PinnedBuffer _output;
    private readonly PinnedBuffer _sums;
    private readonly PinnedBuffer _clipped = new(BlocksAlone * sizeof(uint));

    // Takes the int8 hidden state of layers that keep it in int16.
    private readonly PinnedBuffer _unused = new(BlocksAlone * BlockUnits);
    private readonly PinnedBuffer _reset;
    private readonly PinnedBuffer _update;

    /// <param name="model">The model.</param>
    /// <param name="states">How many states a call steps at most; more are stepped in several runs.</param>
    internal VectorStepper(EdgeModel model, int states)
        : base(model)
    {
        _packed = PackedModel.Of(model, TKernel.ActivationOffset);
        _layers = _packed.Layers;
        (_wide, _narrow, _stateBytes) = (model.States.Wide, model.States.Narrow, model.StateBytes);
        (_features, _outputs) = (model.FeatureCount, model.OutputCount);
        _units = [.. model.Layers.Select(layer => layer.UnitCount)];
        _lastFractionBits = model.Layers[^1].OutputFractionBits;
        _unitStride = (_units.Max() + BlockUnits - 1) / BlockUnits * BlockUnits * sizeof(short);
        _hStride = _unitStride + 64;
        _xStride = Math.Max(_hStride, (_features + 1) * sizeof(short));
        _narrowed = new PinnedBuffer(_unitStride);
        _statesMax = Math.Clamp(states, 1, StatesMax);
        _blocksMax = states > 1 ? BlocksTogether : BlocksAlone;
        _sums = new PinnedBuffer(_statesMax * _blocksMax * sizeof(LstmSums));
        _x = new PinnedBuffer(_statesMax * _xStride);
        _h = new PinnedBuffer(_statesMax * _hStride);
        _output = new PinnedBuffer(_statesMax * _unitStride);
        int resetBytes = Array.Exists(_layers, layer => layer?.Candidate is not null) ? _statesMax * _unitStride : 0;
        _reset = new PinnedBuffer(resetBytes);
        _update = new PinnedBuffer(resetBytes);
        _kept =
            [.. _units.Select((_, l) => ResidualLayer.IsRead(model.Layers, l) ? new PinnedBuffer(_statesMax * _unitStride) : null)];
        _lags = model.Lags is null ? null : new VectorLags(model.Lags);
        _blocks = new BlockStepper?[_layers.Length];
        int firstUnit = 0;
        for (int l = 0; l < _blocks.Length; l++)
        {
            int first = firstUnit;
            _blocks[l] = _packed.Blocks[l] is { } products
                ? BlockStepper.Of(
                    (BlockLayer)model.Layers[l], new VectorBlockKernel<TKernel>(products), j => CountSaturations(1, first + j))
                : null;
            firstUnit += _units[l];
        }
    }

    internal override ReadOnlySpan<short> LastOutput => new(Output(0), _units[^1]);

    protected override void StepLayers(Span<byte> states, ReadOnlySpan<short> x, Span<float> outputs, int count)
    {
        fixed (byte* state = states)
        fixed (short* input = x)
        {
            for (int begin = 0; begin < count; begin += _statesMax)
            {
                int chunk = Math.Min(_statesMax, count - begin);
                StepChunk(state + ((long)begin * _stateBytes), input + ((long)begin * _features), chunk);
                for (int s = 0; s < chunk; s++)
                {
                    WriteOutputs(Output(s), outputs.Slice((begin + s) * _outputs, _outputs));
                }
            }
        }

        // Kernels hold bare pointers into the buffers of this object and its packed model: neither may be collected under them.
        GC.KeepAlive(this);
    }

    protected override void StepLags(LagRegression lags, Span<short> state, ReadOnlySpan<short> x, Span<float> outputs) =>
        _lags!.Step(state, x, outputs);

    private short* Output(int s) => (short*)(_output.Pointer + (s * _unitStride));

    private byte* X(int s) => _x.Pointer + (s * _xStride);

    private short* Reset(int s) => (short*)(_reset.Pointer + (s * _unitStride));

    private short* Update(int s) => (short*)(_update.Pointer + (s * _unitStride));

    private byte* H(int s) => _h.Pointer + (s * _hStride);

    private void StepChunk(byte* states, short* input, int count)
    {
        int inputBytes = _features * sizeof(short);
        for (int s = 0; s < count; s++)
        {
            Unsafe.CopyBlockUnaligned(X(s), (byte*)input + (s * inputBytes), (uint)inputBytes);
        }

        int firstUnit = 0;
        for (int l = 0; l < _layers.Length; l++)
        {
            if (_layers[l] is not { } layer)
            {
                StepBlock(l, states, count);
            }
            else if (layer.Lstm is not null)
            {
                StepLstm(layer, l, states, count, firstUnit);
            }
            else
            {
                StepOther(layer, l, states, count, firstUnit);
            }

            if (_kept[l] is { } kept)
            {
                Unsafe.CopyBlockUnaligned(kept.Pointer, _output.Pointer, (uint)(count * _unitStride));
            }

            if (l + 1 < _layers.Length)
            {
                ReadInputs(l, states, count);
            }

            firstUnit += _units[l];
        }
    }

    private void StepBlock(int l, byte* states, int count)
    {
        var residual = _blocks[l] as ResidualStepper;
        for (int s = 0; s < count; s++)
        {
            if (residual is not null)
            {
                residual.SourceOutput = (short*)(_kept[residual.Source]!.Pointer + (s * _unitStride));
            }

            _blocks[l]!.Step((short*)(states + (s * _stateBytes) + _wide[l]), (short*)X(s), Output(s));
        }
    }

    private void StepLstm(PackedLayer layer, int l, byte* states, int count, int firstUnit)
    {
        int units = layer.UnitCount;
        byte* cells = states + _wide[l];
        byte* hiddens = layer.IsNarrow ? states + _narrow[l] : cells + (units * sizeof(short));
        for (int s = 0; s < count; s++)
        {
            if (layer.IsNarrow)
            {
                TKernel.Lay((sbyte*)hiddens + (s * _stateBytes), units, H(s));
            }
            else
            {
                Unsafe.CopyBlockUnaligned(H(s), hiddens + (s * _stateBytes), (uint)(units * sizeof(short)));
            }
        }

        // The products of a few blocks, then what follows them.
        for (int begin = 0; begin < layer.Blocks; begin += _blocksMax)
        {
            int end = Math.Min(begin + _blocksMax, layer.Blocks);
            var sums = (LstmSums*)_sums.Pointer;
            for (int block = begin; block < end; block += count == 1 ? _blocksMax : 1)
            {
                // One stream's blocks in one call; of many streams one block after the other, so that its weights are read once.
                int next = count == 1 ? end : block + 1;
                for (int s = 0; s < count; s++)
                {
                    TKernel.SumLstm(layer, block, next, X(s), H(s), sums + (s * _blocksMax) + (block - begin));
                }
            }

            for (int s = 0; s < count; s++)
            {
                short* c = (short*)(cells + (s * _stateBytes));
                sbyte* h = layer.IsNarrow ? (sbyte*)(hiddens + (s * _stateBytes)) : null;
                ActivateLstm(layer, begin, end, sums + (s * _blocksMax), h, c, Output(s), firstUnit);
            }
        }

        for (int s = 0; s < count && !layer.IsNarrow; s++)
        {
            Unsafe.CopyBlockUnaligned(hiddens + (s * _stateBytes), Output(s), (uint)(units * sizeof(short)));
        }
    }

    // A block that reaches past the layer's last unit works on copies: what follows in the state is not its own.
    private void ActivateLstm(PackedLayer layer, int begin, int end, LstmSums* sums, sbyte* h, short* c, short* output, int firstUnit)
    {
        var clipped = (uint*)_clipped.Pointer;
        var unused = (sbyte*)_unused.Pointer;
        int whole = Math.Min(end, layer.UnitCount / BlockUnits);
        int first = begin * BlockUnits;
        sbyte* newH = h == null ? unused : h + first;
        if (whole > begin && TKernel.ActivateLstm(layer, begin, whole, sums, newH, c + first, output + first, clipped))
        {
            for (int block = begin; block < whole; block++)
            {
                CountSaturations(clipped[block - begin], firstUnit + (block * BlockUnits));
            }
        }

        if (whole < end)
        {
            ActivateLast(layer, whole, sums + (whole - begin), h, c, output, firstUnit);
        }
    }

    private void ActivateLast(PackedLayer layer, int block, LstmSums* sums, sbyte* h, short* c, short* output, int firstUnit)
    {
        int first = block * BlockUnits;
        int units = layer.UnitCount - first;
        uint clipped;
        short* cells = stackalloc short[BlockUnits];
        sbyte* newH = stackalloc sbyte[BlockUnits];
        new Span<short>(c + first, units).CopyTo(new Span<short>(cells, BlockUnits));
        if (TKernel.ActivateLstm(layer, block, block + 1, sums, newH, cells, output + first, &clipped))
        {
            CountSaturations(clipped & (((1u << units) - 1) * 0x10001u), firstUnit + first);
        }

        new Span<short>(cells, units).CopyTo(new Span<short>(c + first, units));
        if (h != null)
        {
            new Span<sbyte>(newH, units).CopyTo(new Span<sbyte>(h + first, units));
        }
    }

    // GRU, Elman and dense layers: the state, where there is one, is the int16 output, worked on in whole blocks beside it.
    private void StepOther(PackedLayer layer, int l, byte* states, int count, int firstUnit)
    {
        uint bytes = layer.Layer.IsRecurrent ? (uint)(layer.UnitCount * sizeof(short)) : 0;
        byte* state = states + _wide[l];
        for (int s = 0; s < count && bytes > 0; s++)
        {
            Unsafe.CopyBlockUnaligned(Output(s), state + (s * _stateBytes), bytes);
            ReadState(layer, Output(s), H(s));
        }

        for (int block = 0; block < layer.Blocks; block++)
        {
            int first = block * BlockUnits;
            for (int s = 0; s < count; s++)
            {
                if (layer.Gru is null)
                {
                    TKernel.StepSimple(layer, block, X(s), H(s), Output(s) + first);
                }
                else if (layer.Candidate is null)
                {
                    TKernel.StepGru(layer, block, X(s), H(s), Output(s) + first);
                }
                else
                {
                    TKernel.StepGruGates(layer, block, X(s), H(s), Output(s) + first, Reset(s) + first, Update(s) + first);
                }
            }
        }

        if (layer.Candidate is not null)
        {
            StepCandidates(layer, count);
        }

        for (int s = 0; s < count && layer.Table is not null; s++)
        {
            ActivationTable.Apply(layer.Table, new Span<short>(Output(s), layer.UnitCount));
        }

        for (int s = 0; s < count && bytes > 0; s++)
        {
            Unsafe.CopyBlockUnaligned(state + (s * _stateBytes), Output(s), bytes);
            CountNarrowed(layer, Output(s), firstUnit);
        }
    }

    private void StepCandidates(PackedLayer layer, int count)
    {
        for (int s = 0; s < count; s++)
        {
            ReadState(layer, Reset(s), H(s));
        }

        for (int block = 0; block < layer.Blocks; block++)
        {
            for (int s = 0; s < count; s++)
            {
                int first = block * BlockUnits;
                TKernel.StepGruCandidate(layer, block, X(s), H(s), Update(s) + first, Output(s) + first);
            }
        }
    }

    // What recurrent products read of an int16 state: its rounding to int8, or itself.
    private void ReadState(PackedLayer layer, short* state, byte* h)
    {
        if (!layer.IsNarrow)
        {
            Unsafe.CopyBlockUnaligned(h, state, (uint)(layer.Blocks * BlockUnits * sizeof(short)));
            return;
        }

        for (int block = 0; block < layer.Blocks; block++)
        {
            TKernel.Narrow(
                state + (block * BlockUnits), layer.HiddenMultiplier(block), (sbyte*)_narrowed.Pointer + (block * BlockUnits));
        }

        TKernel.Lay((sbyte*)_narrowed.Pointer, layer.UnitCount, h);
    }

    private void CountNarrowed(PackedLayer layer, short* output, int firstUnit)
    {
        sbyte* unused = stackalloc sbyte[BlockUnits];
        for (int block = 0; block < layer.Blocks && layer.IsNarrow; block++)
        {
            CountSaturations(
                TKernel.Narrow(output + (block * BlockUnits), layer.HiddenMultiplier(block), unused) << 16,
                firstUnit + (block * BlockUnits));
        }
    }

    // What the layer above reads: h in int8, of an LSTM from the state, or the int16 output.
    private void ReadInputs(int l, byte* states, int count)
    {
        PackedLayer? layer = _layers[l];
        bool isNarrow = _layers[l + 1] is { Gates.IsInputWide: false };
        for (int s = 0; s < count; s++)
        {
            if (!isNarrow || layer is null)
            {
                Unsafe.CopyBlockUnaligned(X(s), Output(s), (uint)(_units[l] * sizeof(short)));
            }
            else if (layer.Lstm is not null)
            {
                TKernel.Lay((sbyte*)states + (s * _stateBytes) + _narrow[l], layer.UnitCount, X(s));
            }
            else
            {
                ReadState(layer, Output(s), X(s));
            }
        }
    }

    private void WriteOutputs(short* output, Span<float> y)
    {
        if (_packed.Head is not { } head)
        {
            StepWithoutHead(_lastFractionBits, new ReadOnlySpan<short>(output, y.Length), y);
            return;
        }

        fixed (float* to = y)
        {
            TKernel.StepHead(head, output, to);
        }

        if (head.Head.Activation != OutputActivation.Linear || head.Head.Segments is not null)
        {
            OutputActivations.Apply(head.Head, y);
        }
    }
}
