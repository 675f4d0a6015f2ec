using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>A layer as vector kernels read it: its packed gates and, padded to whole blocks, what each unit has of its own.</summary>
internal sealed unsafe class PackedLayer
{
    private readonly PinnedBuffer _hiddenMultiplier;
    private readonly PinnedBuffer _peephole;
    private readonly PinnedBuffer _cell;

    /// <param name="layer">The layer.</param>
    /// <param name="isInputWide">Whether its input is int16; otherwise it is an int8 hidden state.</param>
    /// <param name="activationOffset">What a kernel adds to int8 activations to make them unsigned (128), or 0.</param>
    internal PackedLayer(GateLayer layer, bool isInputWide, int activationOffset)
    {
        Layer = layer;
        UnitCount = layer.UnitCount;
        Lstm = layer as LstmCell;
        Gru = layer as GruCell;
        IsNarrow = layer.IsNarrow;
        IsPlainLstm = Lstm is { IsPlain: true };
        Table = (layer as DenseLayer)?.Table ?? (layer as Product)?.Table;
        Activation = layer switch
        {
            RnnCell rnn => rnn.Activation,
            DenseLayer dense => dense.Activation,
            Product product => product.Activation,
            _ => default,
        };
        (Gates, Candidate) = layer switch
        {
            LstmCell => (Pack(0, 4, new(0, 0), new(1, 1), new(2, 2), new(3, 3)), null),
            GruCell { ResetAfterProduct: true } =>
                (Pack(0, 3, new(0, 0), new(1, 1), new(2, 2, TakesState: false), new(2, 3, TakesInput: false)), null),
            GruCell => (Pack(0, 2, new(0, 0), new(1, 1)), Pack(2, 1, new GateSlot(2, 2))),
            _ => (Pack(0, 1, new GateSlot(0, 0)), (PackedGates?)null),
        };
        _hiddenMultiplier = Pad(layer.HiddenMultiplier, 1);
        _peephole = Pad(Lstm?.Peephole ?? [], 3);
        sbyte[] bits = Lstm?.CellFractionBits ?? [];
        IsCellHalved = bits.Length > 0 && bits[0] == 13;
        IsCellQ12 = IsUniform(bits) && bits[0] == 12;
        _cell = Pad(
            [
                .. bits.Select(n => (short)(1 << (n + 1))),
                .. bits.Select(n => (short)(short.MaxValue >> Math.Max(0, 12 - n))),
                .. bits.Select(n => (short)(1 << Math.Max(0, 12 - n))),
            ], 3);
        CellShift = IsUniform(bits) && bits[0] < 12 ? 12 - bits[0] : 0;

        static bool IsUniform(sbyte[] bits) => bits.Length > 0 && Array.TrueForAll(bits, each => each == bits[0]);

        PackedGates Pack(int firstGate, int gateCount, params GateSlot[] slots) =>
            new(layer, firstGate, gateCount, slots, isInputWide, activationOffset);

        // Rows of U values, each padded with zeros to whole blocks.
        PinnedBuffer Pad(short[] values, int rows)
        {
            int stride = Blocks * PackedGates.BlockUnits;
            var padded = new PinnedBuffer(rows * stride * sizeof(short));
            for (int at = 0; at < values.Length; at++)
            {
                (int row, int unit) = Math.DivRem(at, layer.UnitCount);
                padded.As<short>()[(row * stride) + unit] = values[at];
            }

            return padded;
        }
    }

    internal GateLayer Layer { get; }

    internal int UnitCount { get; }

    /// <summary>Whether products read int8 of this layer's hidden state.</summary>
    internal bool IsNarrow { get; }

    /// <summary>Whether it is an LSTM without any choice to make.</summary>
    internal bool IsPlainLstm { get; }

    /// <summary>The layer if it is an LSTM.</summary>
    internal LstmCell? Lstm { get; }

    /// <summary>The layer if it is a GRU.</summary>
    internal GruCell? Gru { get; }

    /// <summary>Of an Elman or a dense layer.</summary>
    internal Activation Activation { get; }

    /// <summary>Of a dense layer whose activation is a table, else null: the kernel leaves the argument to it.</summary>
    internal short[]? Table { get; }

    /// <summary>All gates; of a GRU that resets before the product, r and z.</summary>
    internal PackedGates Gates { get; }

    /// <summary>The candidate of a GRU that resets before the product, else null.</summary>
    internal PackedGates? Candidate { get; }

    /// <summary>Blocks of 16 units.</summary>
    internal int Blocks => Gates.Blocks;

    /// <summary>m of a block's 16 units.</summary>
    internal short* HiddenMultiplier(int block) => (short*)_hiddenMultiplier.Pointer + (block * PackedGates.BlockUnits);

    /// <summary>Whether every cell state is in Q3.12 already.</summary>
    internal bool IsCellQ12 { get; }

    /// <summary>12 - n where every cell state has the same n below 12, else 0.</summary>
    internal int CellShift { get; }

    /// <summary>Whether every cell state has 13 fraction bits.</summary>
    internal bool IsCellHalved { get; }

    /// <summary>Of a block's 16 units, what makes a product of gates a cell state: MULR by 2^(n + 1) after the high half.</summary>
    internal short* CellAdmit(int block) => (short*)_cell.Pointer + (block * PackedGates.BlockUnits);

    /// <summary>
    /// What a cell state is clamped to before it becomes Q3.12: beyond TANH's own clamp either way, so the same to it as saturating
    /// after.
    /// </summary>
    internal short* CellLimit(int block) => (short*)_cell.Pointer + ((Blocks + block) * PackedGates.BlockUnits);

    /// <summary>2^(12 - n).</summary>
    internal short* CellScale(int block) => (short*)_cell.Pointer + (((2 * Blocks) + block) * PackedGates.BlockUnits);

    /// <summary>P of a block's 16 units: of i (0), f (1) or o (2).</summary>
    internal short* Peephole(int block, int gate) => (short*)_peephole.Pointer + (((gate * Blocks) + block) * PackedGates.BlockUnits);
}
