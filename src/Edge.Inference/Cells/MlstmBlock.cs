namespace Edge.Inference.Cells;

/// <summary>
/// norm, projection up, convolution with SiLU, q, k, v, gates, matrix memory, group norm, skip, gate, projection down, residual. Each head
/// keeps the weighted mean M of all k·vᵀ, the mean N of all k, and the logarithm ℓ of the sum of their weights.
/// </summary>
internal sealed class MlstmBlock : BlockLayer
{
    internal override string Type => "mlstm";

    /// <summary>M, N and ℓ, int32, of each head, and the rows of the convolution.</summary>
    internal override int WideCount => (Heads * HeadStates) + Features.StateCount;

    internal override IReadOnlyList<(string Name, Product Product)> Products =>
        [("up", Up), ("gate", Gate), ("q", Query), ("k", Key), ("v", Value), ("gates", Gates), ("down", Down)];

    internal override Convolution Convolution => Features;

    internal override long Operations => base.Operations + (2L * InnerCount * (HeadUnits + 1));

    /// <summary>H: heads; they divide <see cref="InnerCount"/>.</summary>
    internal required int Heads { get; init; }

    /// <summary>D: values of all heads together.</summary>
    internal int InnerCount => Up.UnitCount;

    /// <summary>d: values of a head.</summary>
    internal int HeadUnits => InnerCount / Heads;

    /// <summary>int16 values of state a head: two each of d·d + d + 1 int32.</summary>
    internal int HeadStates => 2 * ((HeadUnits * HeadUnits) + HeadUnits + 1);

    /// <summary>u, of the norm of x.</summary>
    internal required Product Up { get; init; }

    /// <summary>SiLU(W_z·n), a table.</summary>
    internal required Product Gate { get; init; }

    /// <summary>Over u.</summary>
    internal required Convolution Features { get; init; }

    /// <summary>q, of the convolution's output.</summary>
    internal required Product Query { get; init; }

    /// <summary>k, of the convolution's output.</summary>
    internal required Product Key { get; init; }

    /// <summary>v, of u.</summary>
    internal required Product Value { get; init; }

    /// <summary>i~ of all heads, then f~, to base 2, Q6.9, of [q, k, v].</summary>
    internal required Product Gates { get; init; }

    /// <summary>Right shift of k·v to a value of M, 0..15.</summary>
    internal required int ProductShift { get; init; }

    /// <summary>How many bits further up than Q0.15 q reads M, 0..14: a mean is smaller than the largest of its values.</summary>
    internal required int MemoryShift { get; init; }

    /// <summary>The same of N.</summary>
    internal required int KeyShift { get; init; }

    /// <summary>log2 of 1 / (the value of one step of N·q), with 23 fraction bits: what e^-m is compared in.</summary>
    internal required int FloorLog { get; init; }

    /// <summary>The root of the group norm's ε in steps of M·q for one step of N·q: this times 2^-<see cref="EpsilonShift"/>.</summary>
    internal required int EpsilonMultiplier { get; init; }

    /// <summary>0..62.</summary>
    internal required int EpsilonShift { get; init; }

    /// <summary>g, int16 [D], ±16383: of the group norm.</summary>
    internal required short[] Gain { get; init; }

    /// <summary>s, int16 [D], ±16383: of the convolution's output.</summary>
    internal required short[] Skip { get; init; }

    /// <summary>Right shift of their sum, 0..30.</summary>
    internal required int SkipShift { get; init; }

    /// <summary>Right shift of the sum times its gate, 0..30.</summary>
    internal required int GateShift { get; init; }

    /// <summary>Fraction bits of what comes of it.</summary>
    internal required int GatedFractionBits { get; init; }

    /// <summary>Back to U values in the format of x.</summary>
    internal required Product Down { get; init; }

    internal override short[]? InitialWide
    {
        get
        {
            var initial = new short[WideCount];
            for (int head = 0; head < Heads; head++)
            {
                LogArithmetic.Write(initial.AsSpan(((head + 1) * HeadStates) - 2, 2), LogArithmetic.Nothing);
            }

            return initial;
        }
    }

    internal override bool CanHave(ReadOnlySpan<short> wide)
    {
        for (int head = 0; head < Heads; head++)
        {
            ReadOnlySpan<short> state = wide.Slice(head * HeadStates, HeadStates);
            if (!LogArithmetic.AreMeans(state[..^2]) || !LogArithmetic.AreLogs(state[^2..]))
            {
                return false;
            }
        }

        return true;
    }

    internal override void Validate(string name, int inputMax)
    {
        base.Validate(name, inputMax);
        RequireRange(name, "values that the heads leave over", InnerCount % Heads, 0, 0);
        RequireAll(name, "gain", Gain, -16383, 16383);
        RequireAll(name, "skip", Skip, -16383, 16383);
    }
}
