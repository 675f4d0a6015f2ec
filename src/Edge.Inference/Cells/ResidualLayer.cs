namespace Edge.Inference.Cells;

/// <summary>
/// A residual connection: y = x + s, where s is the output of a layer further down, of as many units. Each is in the format of the layer
/// that gives it; the sum is rounded once.
/// </summary>
internal sealed class ResidualLayer : BlockLayer
{
    internal override string Type => "residual";

    internal override int WideCount => 0;

    internal override IReadOnlyList<(string Name, Product Product)> Products => [];

    /// <summary>Number of the layer whose output is added.</summary>
    internal required int Source { get; init; }

    /// <summary>Fraction bits of its output.</summary>
    internal required int SourceFractionBits { get; init; }

    /// <summary>How both are aligned.</summary>
    internal Alignment Alignment => Alignment.Of(InputFractionBits, SourceFractionBits, OutputFractionBits);

    /// <summary>Whether a residual connection of a model reads the output of a layer.</summary>
    internal static bool IsRead(Layer[] layers, int number) =>
        Array.Exists(layers, layer => layer is ResidualLayer residual && residual.Source == number);

    internal override void Validate(string name, int inputMax)
    {
        base.Validate(name, inputMax);
        RequireRange(name, "source_fraction_bits", SourceFractionBits, 0, 15);
        RequireRange(name, "output_fraction_bits", OutputFractionBits, 0, Math.Max(InputFractionBits, SourceFractionBits));
    }
}

/// <summary>Shifts of a sum of two int16: SHR(x·2^X + δ·2^Delta, Sum). All zero where both are in the format of the sum.</summary>
internal readonly record struct Alignment(int X, int Delta, int Sum)
{
    /// <summary>The shifts for so many fraction bits of x, of δ and of the sum, which has no more than the finer of both.</summary>
    internal static Alignment Of(int x, int delta, int sum) =>
        new(Math.Max(0, delta - x), Math.Max(0, x - delta), Math.Max(x, delta) - sum);
}
