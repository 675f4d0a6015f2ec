using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>One argument of an activation: which gate's products it takes, of which side, and which biases.</summary>
internal readonly record struct GateSlot(int Gate, int Bias, bool TakesInput = true, bool TakesState = true);

/// <summary>
/// Gates of a layer in the order in which vector kernels read them: blocks of 16 units, all gates of a block together, so that
/// its activations follow its accumulators. Padding has zero weights and zero multipliers and changes nothing.
/// </summary>
/// <remarks>
/// Within a block and a gate there are two vectors of eight int32 lanes, A and B. A holds units 0-3 and 8-11, B holds units
/// 4-7 and 12-15: packing A and B to int16, which works on halves of 128 bits, then gives the units in order. A 128-bit kernel
/// reads the same bytes as halves.
/// </remarks>
internal sealed unsafe class PackedGates
{
    internal const int BlockUnits = 16;

    // Bytes that four inputs (int8) or two inputs (int16) take in a block and a gate: 2 vectors of 32 bytes.
    private const int GateBytes = 2 * 32;

    private static readonly int[] UnitOfLane = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];

    private readonly int _firstGate;
    private readonly int _gateCount;
    private readonly PinnedBuffer _input;
    private readonly PinnedBuffer _recurrent;
    private readonly PinnedBuffer _inputStart;
    private readonly PinnedBuffer _recurrentStart;
    private readonly PinnedBuffer _multiplier;
    private readonly PinnedBuffer _bias;

    /// <param name="layer">The layer.</param>
    /// <param name="firstGate">First gate that is packed here.</param>
    /// <param name="gateCount">How many.</param>
    /// <param name="slots">The activations' arguments that come of them.</param>
    /// <param name="isInputWide">Whether the input is int16; otherwise it is an int8 hidden state.</param>
    /// <param name="activationOffset">What a kernel adds to int8 activations to make them unsigned (128), or 0.</param>
    internal PackedGates(GateLayer layer, int firstGate, int gateCount, GateSlot[] slots, bool isInputWide, int activationOffset)
    {
        Layer = layer;
        _firstGate = firstGate;
        _gateCount = gateCount;
        Slots = slots.Length;
        GroupBytes = gateCount * GateBytes;
        IsInputWide = isInputWide;
        Blocks = (layer.UnitCount + BlockUnits - 1) / BlockUnits;
        int states = layer.RecurrentCount;
        RecurrentGroups = layer.IsNarrow ? (states + 3) / 4 : (states + 1) / 2;
        InputGroups = isInputWide ? (layer.InputCount + 1) / 2 : (layer.InputCount + 3) / 4;
        _recurrent = Pack(layer.RecurrentWeight, states, RecurrentGroups, !layer.IsNarrow);
        _input = Pack(layer.InputWeight, layer.InputCount, InputGroups, isInputWide);
        _recurrentStart = PackStart(layer.RecurrentWeight, states, layer.RecurrentShift, layer.IsNarrow ? activationOffset : 0);
        _inputStart = PackStart(layer.InputWeight, layer.InputCount, layer.InputShift, isInputWide ? 0 : activationOffset);
        _multiplier = new PinnedBuffer(Blocks * slots.Length * GateBytes);
        _bias = new PinnedBuffer(Blocks * slots.Length * GateBytes);
        int rounding = layer.GateShift == 0 ? 0 : 1 << (layer.GateShift - 1);
        ForEachLane(slots.Length, (slot, unit, lane) =>
        {
            (int gate, int bias, bool takesInput, bool takesState) = slots[slot];
            int row = (gate * layer.UnitCount) + unit;

            // Pairs (m_h, m_x), as the products of a pair are added by one instruction.
            _multiplier.As<short>()[2 * lane] = takesState && layer.IsRecurrent ? layer.RecurrentMultiplier[row] : (short)0;
            _multiplier.As<short>()[(2 * lane) + 1] = takesInput ? layer.InputMultiplier[row] : (short)0;
            _bias.As<int>()[lane] = layer.Bias[(bias * layer.UnitCount) + unit] + rounding;
        });
    }

    internal GateLayer Layer { get; }

    /// <summary>Arguments of activations a unit.</summary>
    internal int Slots { get; }

    internal bool IsInputWide { get; }

    /// <summary>Bytes that one group of activations meets in a block.</summary>
    internal int GroupBytes { get; }

    /// <summary>Blocks of 16 units.</summary>
    internal int Blocks { get; }

    /// <summary>Groups of hidden state that a row reads: four int8 or two int16.</summary>
    internal int RecurrentGroups { get; }

    /// <summary>Groups of inputs that a row reads: two int16 or four int8.</summary>
    internal int InputGroups { get; }

    /// <summary>A block's weights of the input.</summary>
    internal byte* Input(int block) => _input.Pointer + ((long)block * InputGroups * GroupBytes);

    /// <summary>A block's weights of the state.</summary>
    internal byte* Recurrent(int block) => _recurrent.Pointer + ((long)block * RecurrentGroups * GroupBytes);

    /// <summary>First value of each accumulator of W_x·x: the rounding of its shift, less what the activation offset adds.</summary>
    internal int* InputStart(int block) => (int*)(_inputStart.Pointer + (block * GroupBytes));

    /// <summary>The same for W_h·h.</summary>
    internal int* RecurrentStart(int block) => (int*)(_recurrentStart.Pointer + (block * GroupBytes));

    /// <summary>Pairs (m_h, m_x) of a slot's 16 units.</summary>
    internal short* Multiplier(int block, int slot) => (short*)(_multiplier.Pointer + (((block * Slots) + slot) * GateBytes));

    /// <summary>b and the rounding of the last shift.</summary>
    internal int* Bias(int block, int slot) => (int*)(_bias.Pointer + (((block * Slots) + slot) * GateBytes));

    private PinnedBuffer Pack(short[] weights, int columns, int groups, bool asShorts)
    {
        var packed = new PinnedBuffer(Blocks * groups * GroupBytes);
        int group = asShorts ? 2 : 4;
        ForEachLane(_gateCount, (gate, unit, lane) =>
        {
            (int block, int inBlock) = Math.DivRem(lane, _gateCount * BlockUnits);
            int row = ((_firstGate + gate) * Layer.UnitCount) + unit;
            for (int j = 0; j < columns; j++)
            {
                int at = (((block * groups) + (j / group)) * _gateCount * BlockUnits * group) + (inBlock * group) + (j % group);
                if (asShorts)
                {
                    packed.As<short>()[at] = weights[(row * columns) + j];
                }
                else
                {
                    packed.As<sbyte>()[at] = (sbyte)weights[(row * columns) + j];
                }
            }
        });
        return packed;
    }

    private PinnedBuffer PackStart(short[] weights, int columns, int shift, int activationOffset)
    {
        var packed = new PinnedBuffer(Blocks * GroupBytes);
        int rounding = shift == 0 ? 0 : 1 << (shift - 1);
        ForEachLane(_gateCount, (gate, unit, lane) =>
        {
            int sum = 0;
            foreach (short weight in weights.AsSpan((((_firstGate + gate) * Layer.UnitCount) + unit) * columns, columns))
            {
                sum += weight;
            }

            packed.As<int>()[lane] = rounding - (activationOffset * sum);
        });
        return packed;
    }

    // Every real unit of the given gates or slots with the place of its int32 lane: block, gate, A or B, lane.
    private void ForEachLane(int count, Action<int, int, int> visit)
    {
        for (int block = 0; block < Blocks; block++)
        {
            for (int gate = 0; gate < count; gate++)
            {
                for (int lane = 0; lane < BlockUnits; lane++)
                {
                    int unit = (block * BlockUnits) + UnitOfLane[lane];
                    if (unit < Layer.UnitCount)
                    {
                        visit(gate, unit, (((block * count) + gate) * BlockUnits) + lane);
                    }
                }
            }
        }
    }
}
