using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>
/// An LSTM layer in the order in which vector kernels read it: blocks of 16 units, all four gates of a block together, so that
/// its activations follow its accumulators. Padding has zero weights and zero multipliers and changes nothing.
/// </summary>
/// <remarks>
/// Within a block and a gate there are two vectors of eight int32 lanes, A and B. A holds units 0-3 and 8-11, B holds units
/// 4-7 and 12-15: packing A and B to int16, which works on halves of 128 bits, then gives the units in order. A 128-bit kernel
/// reads the same bytes as halves.
/// </remarks>
internal sealed unsafe class PackedLstm
{
    internal const int BlockUnits = 16;
    internal const int Gates = 4;

    // Bytes that four inputs (int8) or two inputs (int16) take in a block: 4 gates, 2 vectors, 32 bytes.
    internal const int GroupBytes = Gates * 2 * 32;

    private static readonly int[] UnitOfLane = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];

    private readonly PinnedBuffer _input;
    private readonly PinnedBuffer _recurrent;
    private readonly PinnedBuffer _inputStart;
    private readonly PinnedBuffer _recurrentStart;
    private readonly PinnedBuffer _multiplier;
    private readonly PinnedBuffer _bias;
    private readonly PinnedBuffer _hiddenMultiplier;

    /// <param name="cell">The layer.</param>
    /// <param name="isFirst">Whether its input is int16 readings; otherwise it is an int8 hidden state.</param>
    /// <param name="activationOffset">What a kernel adds to int8 activations to make them unsigned (128), or 0.</param>
    internal PackedLstm(LstmCell cell, bool isFirst, int activationOffset)
    {
        Cell = cell;
        IsFirst = isFirst;
        Blocks = (cell.HiddenCount + BlockUnits - 1) / BlockUnits;
        RecurrentGroups = (cell.HiddenCount + 3) / 4;
        InputGroups = isFirst ? (cell.InputCount + 1) / 2 : (cell.InputCount + 3) / 4;
        _recurrent = PackBytes(cell.RecurrentWeight, cell.HiddenCount, RecurrentGroups);
        _input = isFirst ? PackShorts() : PackBytes(cell.InputWeight, cell.InputCount, InputGroups);
        _recurrentStart = PackStart(cell.RecurrentWeight, cell.HiddenCount, cell.RecurrentShift, activationOffset);
        _inputStart = PackStart(cell.InputWeight, cell.InputCount, cell.InputShift, isFirst ? 0 : activationOffset);
        _multiplier = new PinnedBuffer(Blocks * GroupBytes);
        _bias = new PinnedBuffer(Blocks * GroupBytes);
        _hiddenMultiplier = new PinnedBuffer(Blocks * BlockUnits * sizeof(short));
        cell.HiddenMultiplier.CopyTo(_hiddenMultiplier.As<short>());
        int gateRounding = cell.GateShift == 0 ? 0 : 1 << (cell.GateShift - 1);
        ForEachLane((row, lane) =>
        {
            // Pairs (m_h, m_x), as the products of a pair are added by one instruction.
            _multiplier.As<short>()[2 * lane] = cell.RecurrentMultiplier[row];
            _multiplier.As<short>()[(2 * lane) + 1] = cell.InputMultiplier[row];
            _bias.As<int>()[lane] = cell.Bias[row] + gateRounding;
        });
    }

    internal LstmCell Cell { get; }

    internal bool IsFirst { get; }

    /// <summary>Blocks of 16 units.</summary>
    internal int Blocks { get; }

    /// <summary>Groups of four hidden units that a row reads.</summary>
    internal int RecurrentGroups { get; }

    /// <summary>Groups of inputs that a row reads: two int16 or four int8.</summary>
    internal int InputGroups { get; }

    internal byte* Input => _input.Pointer;

    internal byte* Recurrent => _recurrent.Pointer;

    /// <summary>First value of each accumulator of W_x·x: the rounding of its shift, less what the activation offset adds.</summary>
    internal int* InputStart => (int*)_inputStart.Pointer;

    /// <summary>The same for W_h·h.</summary>
    internal int* RecurrentStart => (int*)_recurrentStart.Pointer;

    internal short* Multiplier => (short*)_multiplier.Pointer;

    /// <summary>b and the rounding of the last shift.</summary>
    internal int* Bias => (int*)_bias.Pointer;

    internal short* HiddenMultiplier => (short*)_hiddenMultiplier.Pointer;

    private PinnedBuffer PackBytes(sbyte[] weights, int columns, int groups)
    {
        var packed = new PinnedBuffer(Blocks * groups * GroupBytes);
        ForEachLane((row, lane) =>
        {
            (int block, int inBlock) = Math.DivRem(lane, Gates * BlockUnits);
            for (int j = 0; j < columns; j++)
            {
                packed.As<sbyte>()[(((block * groups) + (j / 4)) * GroupBytes) + (inBlock * 4) + (j % 4)] = weights[(row * columns) + j];
            }
        });
        return packed;
    }

    private PinnedBuffer PackShorts()
    {
        var packed = new PinnedBuffer(Blocks * InputGroups * GroupBytes);
        ForEachLane((row, lane) =>
        {
            (int block, int inBlock) = Math.DivRem(lane, Gates * BlockUnits);
            for (int j = 0; j < Cell.InputCount; j++)
            {
                packed.As<short>()[(((block * InputGroups) + (j / 2)) * GroupBytes / 2) + (inBlock * 2) + (j % 2)] = Cell.InputWeight[(row * Cell.InputCount) + j];
            }
        });
        return packed;
    }

    private PinnedBuffer PackStart(sbyte[] weights, int columns, int shift, int activationOffset)
    {
        var packed = new PinnedBuffer(Blocks * GroupBytes);
        int rounding = shift == 0 ? 0 : 1 << (shift - 1);
        ForEachLane((row, lane) =>
        {
            int sum = 0;
            foreach (sbyte weight in weights.AsSpan(row * columns, columns))
            {
                sum += weight;
            }

            packed.As<int>()[lane] = rounding - (activationOffset * sum);
        });
        return packed;
    }

    // Every real row with the place of its int32 lane: block, gate, A or B, lane.
    private void ForEachLane(Action<int, int> visit)
    {
        for (int block = 0; block < Blocks; block++)
        {
            for (int gate = 0; gate < Gates; gate++)
            {
                for (int lane = 0; lane < BlockUnits; lane++)
                {
                    int unit = (block * BlockUnits) + UnitOfLane[lane];
                    if (unit < Cell.HiddenCount)
                    {
                        visit((gate * Cell.HiddenCount) + unit, (((block * Gates) + gate) * BlockUnits) + lane);
                    }
                }
            }
        }
    }
}
