namespace Edge.Inference.Cells;

/// <summary>
/// A layer with rows of integer weights in <see cref="GateCount"/> groups (row = gate·U + unit) whose sums become int16 arguments of
/// activations, and an int16 output for each unit. docs/quantization.md gives every formula.
/// </summary>
internal abstract class GateLayer : Layer
{
    /// <summary>Largest multiplier: two products of 16 x 15 bits and a bias of 30 bits stay inside 32.</summary>
    internal const int MultiplierMax = 16383;

    /// <summary>Largest |bias|.</summary>
    internal const int BiasMax = (1 << 30) - (1 << 16);

    /// <summary>Groups of rows, one row a unit in each.</summary>
    internal abstract int GateCount { get; }

    /// <summary>Groups of biases: one a gate, but for a gate whose two sums are kept apart.</summary>
    internal virtual int BiasCount => GateCount;

    /// <summary>int16 values of state that a unit keeps.</summary>
    internal abstract int WideStates { get; }

    /// <summary>int8 values of state that a unit keeps.</summary>
    internal virtual int NarrowStates => 0;

    internal override int WideCount => WideStates * UnitCount;

    internal override int NarrowCount => NarrowStates * UnitCount;

    /// <summary>Values that W_h multiplies; 0 without a state.</summary>
    internal virtual int RecurrentCount => IsRecurrent ? UnitCount : 0;

    /// <summary>s_x: right shift of W_x·x, 0..30.</summary>
    internal required int InputShift { get; init; }

    /// <summary>s_h: right shift of W_h·h, 0..30.</summary>
    internal required int RecurrentShift { get; init; }

    /// <summary>s_z: right shift of the weighted sum to an activation's argument, 0..15.</summary>
    internal required int GateShift { get; init; }

    /// <summary>W_x [gates·U, I]: int8 where the input is an int8 hidden state, int16 where it is int16.</summary>
    internal required short[] InputWeight { get; init; }

    /// <summary>W_h [gates·U, U]: int8 with 8 hidden bits, else int16; empty without a state.</summary>
    internal required short[] RecurrentWeight { get; init; }

    /// <summary>m_x, int16 [gates·U], 0..16383.</summary>
    internal required short[] InputMultiplier { get; init; }

    /// <summary>m_h, int16 [gates·U], 0..16383; empty without a state.</summary>
    internal required short[] RecurrentMultiplier { get; init; }

    /// <summary>b, int32 [biases·U], in units of the weighted sum.</summary>
    internal required int[] Bias { get; init; }

    /// <summary>m_j, int16 [U], 1..32767: h = clamp(MULR(output, m_j), -127, 127); empty with 16 hidden bits.</summary>
    internal required short[] HiddenMultiplier { get; init; }

    /// <summary>Bounds of each gate's argument, int16 [2·gates] lower and upper in turn; null for none.</summary>
    internal short[]? Clip { get; init; }

    internal override bool IsNarrow => IsRecurrent && HiddenBits == 8;

    internal override long Operations => (long)GateCount * UnitCount * (InputCount + RecurrentCount);

    internal override void Validate(string name, int inputMax)
    {
        RequireAll(name, "input_multiplier", InputMultiplier, 0, MultiplierMax);
        RequireAll(name, "recurrent_multiplier", RecurrentMultiplier, 0, MultiplierMax);
        RequireAll(name, "hidden_multiplier", HiddenMultiplier, 1, short.MaxValue);
        foreach (int bias in Bias)
        {
            RequireRange(name, "bias", bias, -BiasMax, BiasMax);
        }

        for (int i = 0; Clip is not null && i < Clip.Length; i += 2)
        {
            RequireRange(name, "clip", Clip[i], short.MinValue, Clip[i + 1]);
        }

        int at = InitialNarrow is null ? -1 : Array.IndexOf(InitialNarrow, sbyte.MinValue);
        if (at >= 0)
        {
            throw new ModelFormatException($"{name}.initial_narrow: element {at} is -128, which no step produces. The file is damaged.");
        }

        int hiddenMax = HiddenBits == 8 ? 127 : 32768;
        AccumulatorBound.RequireWeights(name + ".input_weight", InputWeight, inputMax);
        AccumulatorBound.RequireWeights(name + ".recurrent_weight", RecurrentWeight, hiddenMax);
        AccumulatorBound.RequireFits(name + ".input_weight", InputWeight, InputCount, inputMax, 1L << Math.Max(0, InputShift - 1));
        AccumulatorBound.RequireFits(
            name + ".recurrent_weight",
            RecurrentWeight,
            RecurrentCount,
            hiddenMax,
            1L << Math.Max(0, RecurrentShift - 1));
    }
}
