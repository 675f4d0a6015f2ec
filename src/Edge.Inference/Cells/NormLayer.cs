namespace Edge.Inference.Cells;

/// <summary>Layer norm: (x - mean) / √(variance + ε), in Q(15-b).b with b of <see cref="Normalization.FractionBits"/>.</summary>
internal sealed class NormLayer : BlockLayer
{
    internal override string Type => "norm";

    internal override int WideCount => 0;

    internal override IReadOnlyList<(string Name, Product Product)> Products => [];

    /// <summary>ε' = d²·ε in squared steps of x, 1 to 2^61.</summary>
    internal required long Epsilon { get; init; }

    internal override void Validate(string name, int inputMax)
    {
        base.Validate(name, inputMax);
        int bits = Normalization.FractionBits(UnitCount);
        RequireRange(name, "output_fraction_bits", OutputFractionBits, bits, bits);
    }
}
