namespace Edge.Inference.Cells;

/// <summary>
/// TABLE(z) of docs/quantization.md: an activation as 2,049 int16 values over the int16 argument, with a straight line between each two.
/// </summary>
internal static class ActivationTable
{
    /// <summary>Entries: one for each 32 steps of the argument, and one at its end.</summary>
    internal const int Length = (1 << (16 - StepBits)) + 1;

    private const int StepBits = 5;

    /// <summary>The argument of an entry.</summary>
    internal static int Argument(int entry) => (entry << StepBits) + short.MinValue;

    /// <summary>y = T[k] + ((T[k+1] - T[k])·r + 16 >> 5) with k = z + 2^15 >> 5, r the rest.</summary>
    internal static short At(short[] table, int z)
    {
        int at = z - short.MinValue;
        int k = at >> StepBits;
        int rest = at & ((1 << StepBits) - 1);
        return (short)(table[k] + ((((table[k + 1] - table[k]) * rest) + (1 << (StepBits - 1))) >> StepBits));
    }

    /// <summary>Replaces each argument by its value.</summary>
    internal static void Apply(short[] table, Span<short> values)
    {
        for (int j = 0; j < values.Length; j++)
        {
            values[j] = At(table, values[j]);
        }
    }
}
