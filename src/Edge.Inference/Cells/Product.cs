namespace Edge.Inference.Cells;

/// <summary>
/// An inner product of a block: y = activation(W_x·x + W_h·h + b) of int16 values, or of their rounding to int8. The weights stand in
/// <see cref="Heads"/> blocks on the diagonal: a row reads only the inputs of its own head.
/// </summary>
internal sealed class Product : GateLayer
{
    internal override string Type => "product";

    internal override int GateCount => 1;

    internal override int WideStates => 0;

    internal override bool IsRecurrent => RecurrentMultiplier.Length > 0;

    /// <summary>Columns of <see cref="GateLayer.InputWeight"/> and of <see cref="GateLayer.RecurrentWeight"/>, which a row reads.</summary>
    internal int HeadInputs => InputCount / Heads;

    /// <summary>Values of h that a head reads: all of them are <see cref="Heads"/> times as many.</summary>
    internal required int RecurrentInputs { get; init; }

    internal override int RecurrentCount => RecurrentInputs;

    /// <summary>H: heads, 1 for a full matrix; they divide inputs, units and recurrent inputs.</summary>
    internal required int Heads { get; init; }

    /// <summary>What becomes of the sums.</summary>
    internal required Activation Activation { get; init; }

    /// <summary>Of the argument of a table; 0 without one.</summary>
    internal int ArgumentFractionBits { get; init; }

    /// <summary>int16 [2049], with <see cref="Activation.Table"/>; else null.</summary>
    internal short[]? Table { get; init; }

    /// <summary>m_x, int16 [I], 1..32767, with 8 hidden bits: x in int8 is clamp(MULR(x, m_x), -127, 127); else empty.</summary>
    internal required short[] InputNarrowing { get; init; }

    /// <summary>m_h, int16 [H·RecurrentInputs], the same of h; else empty.</summary>
    internal required short[] RecurrentNarrowing { get; init; }

    internal override long Operations => (long)UnitCount * (HeadInputs + RecurrentInputs);

    internal override void Validate(string name, int inputMax)
    {
        RequireRange(name, "heads", Heads, 1, Math.Min(InputCount, UnitCount));
        RequireRange(name, "inputs that the heads leave over", InputCount % Heads, 0, 0);
        RequireRange(name, "units that the heads leave over", UnitCount % Heads, 0, 0);
        RequireAll(name, "input_narrowing", InputNarrowing, 1, short.MaxValue);
        RequireAll(name, "recurrent_narrowing", RecurrentNarrowing, 1, short.MaxValue);
        int max = HiddenBits == 8 ? 127 : 32768;
        RequireAll(name, "input_multiplier", InputMultiplier, 0, MultiplierMax);
        RequireAll(name, "recurrent_multiplier", RecurrentMultiplier, 0, MultiplierMax);
        foreach (int bias in Bias)
        {
            RequireRange(name, "bias", bias, -BiasMax, BiasMax);
        }

        AccumulatorBound.RequireWeights(name + ".input_weight", InputWeight, max);
        AccumulatorBound.RequireWeights(name + ".recurrent_weight", RecurrentWeight, max);
        AccumulatorBound.RequireFits(name + ".input_weight", InputWeight, HeadInputs, max, 1L << Math.Max(0, InputShift - 1));
        if (RecurrentInputs > 0)
        {
            AccumulatorBound.RequireFits(
                name + ".recurrent_weight", RecurrentWeight, RecurrentInputs, max, 1L << Math.Max(0, RecurrentShift - 1));
        }
    }

    /// <summary>
    /// Some of its rows as a full matrix of the inputs that any of them reads.
    /// </summary>
    /// <param name="begin">First row.</param>
    /// <param name="count">How many.</param>
    /// <param name="firstHead">The head of the first row, whose inputs come first.</param>
    internal Product Rows(int begin, int count, out int firstHead)
    {
        int rows = UnitCount / Heads;
        int first = begin / rows;
        int heads = ((begin + count - 1) / rows) + 1 - first;
        firstHead = first;
        return new Product
        {
            InputCount = heads * HeadInputs,
            UnitCount = count,
            InputShift = InputShift,
            RecurrentShift = RecurrentShift,
            GateShift = GateShift,
            HiddenBits = HiddenBits,
            OutputFractionBits = OutputFractionBits,
            RecurrentInputs = heads * RecurrentInputs,
            Heads = 1,
            Activation = Activation,
            ArgumentFractionBits = ArgumentFractionBits,
            Table = Table,
            InputNarrowing = [],
            RecurrentNarrowing = [],
            InputWeight = Spread(InputWeight, HeadInputs),
            RecurrentWeight = Spread(RecurrentWeight, RecurrentInputs),
            InputMultiplier = InputMultiplier[begin..(begin + count)],
            RecurrentMultiplier = IsRecurrent ? RecurrentMultiplier[begin..(begin + count)] : [],
            Bias = Bias[begin..(begin + count)],
            HiddenMultiplier = [],
        };

        short[] Spread(short[] weights, int columns)
        {
            var spread = new short[count * heads * columns];
            for (int r = 0; r < count; r++)
            {
                int head = ((begin + r) / rows) - first;
                weights.AsSpan((begin + r) * columns, columns).CopyTo(spread.AsSpan(((r * heads) + head) * columns));
            }

            return spread;
        }
    }
}
