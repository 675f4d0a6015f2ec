namespace Edge.Inference.Cells;

/// <summary>The checks at load time that make overflow impossible at run time.</summary>
internal static class AccumulatorBound
{
    /// <summary>Refuses a weight that has no positive counterpart in int8, or in int16 where it meets int16.</summary>
    internal static void RequireWeights(string tensor, ReadOnlySpan<short> weights, int inputMax)
    {
        int limit = inputMax > sbyte.MaxValue ? short.MaxValue : sbyte.MaxValue;
        for (int at = 0; at < weights.Length; at++)
        {
            if (weights[at] < -limit || weights[at] > limit)
            {
                throw new ModelFormatException(
                    $"{tensor}: element {at} is {weights[at]}; the range is -{limit}..{limit}. "
                        + $"The file is damaged or not made by edge-quantize.");
            }
        }
    }

    /// <summary>Refuses a row whose worst sum, plus what is added to it, would leave 32 bits.</summary>
    /// <param name="tensor">Tensor name for the message.</param>
    /// <param name="weights">Rows of <paramref name="columns"/> weights.</param>
    /// <param name="columns">Weights a row.</param>
    /// <param name="inputMax">Largest |input|.</param>
    /// <param name="added">Largest |value| added to the sum.</param>
    internal static void RequireFits(string tensor, ReadOnlySpan<short> weights, int columns, int inputMax, long added)
    {
        for (int row = 0; row * columns < weights.Length; row++)
        {
            long sum = 0;
            foreach (short weight in weights.Slice(row * columns, columns))
            {
                sum += Math.Abs((int)weight);
            }

            if ((sum * inputMax) + added > int.MaxValue)
            {
                throw new ModelFormatException(
                    $"{tensor}: row {row} could overflow its 32-bit accumulator ({columns} weights at int16 input). "
                        + $"Use fewer inputs per layer.");
            }
        }
    }
}
