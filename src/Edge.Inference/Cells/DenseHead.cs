namespace Edge.Inference.Cells;

/// <summary>
/// The last dense layer: y_r = activation((Σ w_rj·x_j + b_r)·s_r), int16 weights, the int16 output of the layer below, an int32
/// accumulator, float out.
/// </summary>
internal sealed class DenseHead
{
    /// <summary>Inputs: units of the last layer.</summary>
    internal required int InputCount { get; init; }

    internal required int OutputCount { get; init; }

    /// <summary>int16 [O, U].</summary>
    internal required short[] Weight { get; init; }

    /// <summary>int32 [O], in units of <see cref="Scale"/>.</summary>
    internal required int[] Bias { get; init; }

    /// <summary>float32 [O]: output per unit of the accumulator.</summary>
    internal required float[] Scale { get; init; }

    /// <summary>What happens to the float outputs.</summary>
    internal OutputActivation Activation { get; init; }

    /// <summary>What happens to runs of outputs, in place of <see cref="Activation"/>; null for the same with all.</summary>
    internal HeadSegment[]? Segments { get; init; }

    /// <summary>Refuses parameters with which a step could overflow or produce a value that is not finite.</summary>
    internal void Validate(string name)
    {
        AccumulatorBound.RequireWeights(name + ".weight", Weight, 32768);
        if (Segments is not null
            && (Segments.Any(segment => segment.Count < 1) || Segments.Sum(segment => (long)segment.Count) != OutputCount))
        {
            throw new ModelFormatException(
                $"{name}: 'segments' do not have its {OutputCount} outputs. The file is damaged or not made by edge-quantize.");
        }

        for (int row = 0; row < OutputCount; row++)
        {
            AccumulatorBound.RequireFits(
                name + ".weight",
                Weight.AsSpan(row * InputCount, InputCount),
                InputCount,
                32768,
                Math.Abs((long)Bias[row]));
            if (!float.IsFinite(Scale[row] * 2147483648f) || Scale[row] < 0)
            {
                throw new ModelFormatException(
                    $"{name}.scale: element {row} is {Scale[row]}; a scale is finite and not negative. "
                        + $"The file is damaged or not made by edge-quantize.");
            }
        }
    }
}
