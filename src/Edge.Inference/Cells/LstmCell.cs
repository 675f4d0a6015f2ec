using Edge.Inference.Models;

namespace Edge.Inference.Cells;

/// <summary>
/// The parameters of one int8 LSTM layer, validated so that no step can overflow. Rows are gate-major in the order
/// input, forget, cell, output: row = gate·H + unit. docs/quantization.md gives every formula.
/// </summary>
internal sealed class LstmCell
{
    /// <summary>Largest multiplier: two products of 16 x 15 bits and a bias of 30 bits stay inside 32.</summary>
    internal const int MultiplierMax = 16383;

    /// <summary>Largest |bias|.</summary>
    internal const int BiasMax = (1 << 30) - (1 << 16);

    internal LstmCell(
        int inputCount, int hiddenCount, int inputShift, int recurrentShift, int gateShift, int cellFractionBits,
        sbyte[] inputWeight, sbyte[] recurrentWeight, short[] inputMultiplier, short[] recurrentMultiplier, int[] bias,
        short[] hiddenMultiplier)
    {
        InputCount = inputCount;
        HiddenCount = hiddenCount;
        InputShift = inputShift;
        RecurrentShift = recurrentShift;
        GateShift = gateShift;
        CellFractionBits = cellFractionBits;
        InputWeight = inputWeight;
        RecurrentWeight = recurrentWeight;
        InputMultiplier = inputMultiplier;
        RecurrentMultiplier = recurrentMultiplier;
        Bias = bias;
        HiddenMultiplier = hiddenMultiplier;
    }

    internal int InputCount { get; }

    internal int HiddenCount { get; }

    /// <summary>s_x: right shift of W_x·x, 0..30.</summary>
    internal int InputShift { get; }

    /// <summary>s_h: right shift of W_h·h, 0..30.</summary>
    internal int RecurrentShift { get; }

    /// <summary>s_z: right shift of the weighted sum to the gate argument (Q3.12; half the argument for the sigmoid gates), 0..15.</summary>
    internal int GateShift { get; }

    /// <summary>n: fraction bits of the int16 cell state, 4..13; the range is ±2^(15-n).</summary>
    internal int CellFractionBits { get; }

    /// <summary>W_x, int8 [4H, I].</summary>
    internal sbyte[] InputWeight { get; }

    /// <summary>W_h, int8 [4H, H].</summary>
    internal sbyte[] RecurrentWeight { get; }

    /// <summary>m_x, int16 [4H], 0..16383.</summary>
    internal short[] InputMultiplier { get; }

    /// <summary>m_h, int16 [4H], 0..16383.</summary>
    internal short[] RecurrentMultiplier { get; }

    /// <summary>b, int32 [4H], in units of the weighted sum.</summary>
    internal int[] Bias { get; }

    /// <summary>m_j, int16 [H], 1..32767: int8 steps per unit of hidden state.</summary>
    internal short[] HiddenMultiplier { get; }

    /// <summary>Refuses parameters with which a step could leave 32 bits. <paramref name="name"/> is the layer's name in messages.</summary>
    /// <param name="name">Name of the layer, for the message.</param>
    /// <param name="inputMax">Largest |x| that can arrive: 32767 for readings, 127 for a hidden state.</param>
    /// <exception cref="ModelFormatException">A parameter is outside its range.</exception>
    internal void Validate(string name, int inputMax)
    {
        RequireRange(name, "input_shift", InputShift, 0, 30);
        RequireRange(name, "recurrent_shift", RecurrentShift, 0, 30);
        RequireRange(name, "gate_shift", GateShift, 0, 15);
        RequireRange(name, "cell_fraction_bits", CellFractionBits, 4, 13);
        foreach (short multiplier in InputMultiplier)
        {
            RequireRange(name, "input_multiplier", multiplier, 0, MultiplierMax);
        }

        foreach (short multiplier in RecurrentMultiplier)
        {
            RequireRange(name, "recurrent_multiplier", multiplier, 0, MultiplierMax);
        }

        foreach (short multiplier in HiddenMultiplier)
        {
            RequireRange(name, "hidden_multiplier", multiplier, 1, short.MaxValue);
        }

        foreach (int bias in Bias)
        {
            RequireRange(name, "bias", bias, -BiasMax, BiasMax);
        }

        AccumulatorBound.RequireWeights(name + ".input_weight", InputWeight);
        AccumulatorBound.RequireWeights(name + ".recurrent_weight", RecurrentWeight);
        AccumulatorBound.RequireFits(name + ".input_weight", InputWeight, InputCount, inputMax, 1L << Math.Max(0, InputShift - 1));
        AccumulatorBound.RequireFits(name + ".recurrent_weight", RecurrentWeight, HiddenCount, 127, 1L << Math.Max(0, RecurrentShift - 1));
    }

    private static void RequireRange(string name, string what, int value, int min, int max)
    {
        if (value < min || value > max)
        {
            throw new ModelFormatException($"{name}: {what} is {value}, outside {min}..{max}. The file is damaged or not made by edge-quantize.");
        }
    }
}
