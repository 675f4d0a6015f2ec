namespace Edge.Inference.Cells;

/// <summary>
/// norm, convolution with SiLU, the four gates, the cell, group norm, residual. Each unit keeps y, the weighted mean r of all candidates,
/// and the logarithm ℓ of the sum of their weights; n, c and m of the paper are 2^ℓ, r·2^ℓ and 0.
/// </summary>
internal sealed class SlstmBlock : BlockLayer
{
    internal override string Type => "slstm";

    /// <summary>y int16, r and ℓ int32 of each unit, and the rows of the convolution.</summary>
    internal override int WideCount => (5 * UnitCount) + (Features?.StateCount ?? 0);

    internal override IReadOnlyList<(string Name, Product Product)> Products =>
        [("i", InputGate), ("f", ForgetGate), ("z", Candidate), ("o", OutputGate)];

    internal override Convolution? Convolution => Features;

    /// <summary>H: groups of the group norm; they divide the units.</summary>
    internal required int Heads { get; init; }

    /// <summary>Before the gates i and f, or null.</summary>
    internal required Convolution? Features { get; init; }

    /// <summary>i~, to base 2, Q6.9.</summary>
    internal required Product InputGate { get; init; }

    /// <summary>f~, to base 2, Q6.9.</summary>
    internal required Product ForgetGate { get; init; }

    /// <summary>tanh(z~), Q0.15.</summary>
    internal required Product Candidate { get; init; }

    /// <summary>σ(o~), Q0.15.</summary>
    internal required Product OutputGate { get; init; }

    /// <summary>g, int16 [U]: of the group norm.</summary>
    internal required short[] Gain { get; init; }

    /// <summary>Right shift of a normalized value times its gain, 0..30.</summary>
    internal required int GainShift { get; init; }

    internal override short[]? InitialWide
    {
        get
        {
            var initial = new short[WideCount];
            LogArithmetic.Write(initial.AsSpan(3 * UnitCount, 2 * UnitCount), LogArithmetic.Nothing);
            return initial;
        }
    }

    internal override bool CanHave(ReadOnlySpan<short> wide) =>
        LogArithmetic.AreMeans(wide.Slice(UnitCount, 2 * UnitCount))
            && LogArithmetic.AreLogs(wide.Slice(3 * UnitCount, 2 * UnitCount));

    internal override void Validate(string name, int inputMax)
    {
        base.Validate(name, inputMax);
        RequireRange(name, "heads", Heads, 1, UnitCount);
        RequireRange(name, "units that the heads leave over", UnitCount % Heads, 0, 0);
    }
}
