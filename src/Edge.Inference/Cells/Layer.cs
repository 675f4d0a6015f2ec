namespace Edge.Inference.Cells;

/// <summary>What every inner layer is: int16 in, int16 out, and a state of its own.</summary>
internal abstract class Layer
{
    /// <summary>Its name in a model file.</summary>
    internal abstract string Type { get; }

    /// <summary>Whether the layer has a hidden state that it multiplies in the next step.</summary>
    internal virtual bool IsRecurrent => true;

    /// <summary>int16 values of state that the layer keeps.</summary>
    internal abstract int WideCount { get; }

    /// <summary>int8 values of state that the layer keeps.</summary>
    internal virtual int NarrowCount => 0;

    /// <summary>I: inputs.</summary>
    internal required int InputCount { get; init; }

    /// <summary>U: units, which are its outputs.</summary>
    internal required int UnitCount { get; init; }

    /// <summary>8 or 16: the width of the activations that its inner products multiply.</summary>
    internal required int HiddenBits { get; init; }

    /// <summary>Fraction bits of the int16 output, 0..15; 15 where it stays within ±1.</summary>
    internal required int OutputFractionBits { get; init; }

    /// <summary>Initial int16 states [WideCount]; null for zero.</summary>
    internal virtual short[]? InitialWide { get; init; }

    /// <summary>Initial int8 states [NarrowCount]; null for zero.</summary>
    internal sbyte[]? InitialNarrow { get; init; }

    /// <summary>Whether h in int8 is made of the output: recurrent products and the recurrent layer above read it.</summary>
    internal virtual bool IsNarrow => false;

    /// <summary>Multiply-accumulates a step.</summary>
    internal abstract long Operations { get; }

    /// <summary>Refuses parameters with which a step could leave 32 bits.</summary>
    /// <param name="name">The layer's name in messages.</param>
    /// <param name="inputMax">Largest |x| that can arrive: 32768 for int16, 127 for an int8 hidden state.</param>
    /// <exception cref="ModelFormatException">A parameter is outside its range.</exception>
    internal abstract void Validate(string name, int inputMax);

    /// <summary>Whether a step can have left these int16 states.</summary>
    internal virtual bool CanHave(ReadOnlySpan<short> wide) => true;

    protected static void RequireAll(string name, string what, short[] values, int min, int max)
    {
        foreach (short value in values)
        {
            RequireRange(name, what, value, min, max);
        }
    }

    protected static void RequireRange(string name, string what, int value, int min, int max)
    {
        if (value < min || value > max)
        {
            throw new ModelFormatException(
                $"{name}: {what} is {value}, outside {min}..{max}. The file is damaged or not made by edge-quantize.");
        }
    }
}
