using Edge.Inference.Cells;

namespace Edge.Quantize.Quantization;

/// <summary>What weights multiply: value = integer·scale + offset, and the largest |integer|.</summary>
internal sealed record Operand(double[] Scale, int Max)
{
    /// <summary>Largest |weight| that multiplies it: int16 meets int16 in the same instruction that would widen an int8.</summary>
    internal int WeightMax => Max > sbyte.MaxValue ? short.MaxValue : sbyte.MaxValue;

    /// <summary>Value of the integer 0; it becomes part of a layer's bias.</summary>
    internal double[] Offset { get; } = new double[Scale.Length];

    /// <summary>A layer's hidden state as recurrent products read it.</summary>
    internal static Operand OfHidden(Layer layer) => layer is GateLayer { IsNarrow: true } narrow
        ? new(
            narrow.HiddenMultiplier.Select(multiplier => Math.ScaleB(1.0 / multiplier, 15 - layer.OutputFractionBits)).ToArray(),
            sbyte.MaxValue)
        : OfOutput(layer);

    /// <summary>A layer's int16 output.</summary>
    internal static Operand OfOutput(Layer layer) =>
        new(Enumerable.Repeat(Math.ScaleB(1, -layer.OutputFractionBits), layer.UnitCount).ToArray(), 32768);
}
