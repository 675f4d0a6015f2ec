namespace Edge.Inference.Cells;

/// <summary>
/// A part of an xLSTM block stack in integers, a norm or a residual connection. docs/xlstm.md has every formula. All other parts are
/// residual in themselves: y = SAT16(x + part), in the format of x.
/// </summary>
internal abstract class BlockLayer : Layer
{
    /// <summary>
    /// Fraction bits of what a sLSTM's or an mLSTM's gate arguments are, which are logarithms to the base 2: they lie within ±64.
    /// </summary>
    internal const int GateFractionBits = 9;

    internal override bool IsRecurrent => false;

    /// <summary>Fraction bits of the int16 input, 0..15.</summary>
    internal required int InputFractionBits { get; init; }

    /// <summary>Its inner products by their names in a model file.</summary>
    internal abstract IReadOnlyList<(string Name, Product Product)> Products { get; }

    /// <summary>Its convolution, or null.</summary>
    internal virtual Convolution? Convolution => null;

    internal override long Operations =>
        Products.Sum(each => each.Product.Operations) + (Convolution is { } convolution ? (long)convolution.Taps * convolution.Width : 0);

    internal override void Validate(string name, int inputMax)
    {
        RequireRange(name, "units that are not inputs", UnitCount - InputCount, 0, 0);
        if (this is not (NormLayer or ResidualLayer))
        {
            RequireRange(name, "output_fraction_bits", OutputFractionBits, InputFractionBits, InputFractionBits);
        }

        foreach ((string each, Product product) in Products)
        {
            product.Validate($"{name}.{each}", inputMax);
        }

        Convolution?.Validate($"{name}.convolution");
    }
}
