namespace Edge.Inference.Cells;

/// <summary>
/// A table of int16 vectors, one per symbol: the first layer reads the row of the symbol, after the readings if there are any.
/// </summary>
internal sealed class Embedding
{
    /// <summary>V: symbols 0..V-1.</summary>
    internal required int SymbolCount { get; init; }

    /// <summary>D: values a row.</summary>
    internal required int Width { get; init; }

    /// <summary>int16 [V, D].</summary>
    internal required short[] Table { get; init; }

    /// <summary>The vector of a symbol.</summary>
    /// <exception cref="ArgumentException">The value is no symbol of this model.</exception>
    internal ReadOnlySpan<short> Row(float symbol) => Table.AsSpan(Require(symbol) * Width, Width);

    /// <summary>Refuses what is not a whole number in 0..V-1.</summary>
    /// <exception cref="ArgumentException">The value is no symbol of this model.</exception>
    internal int Require(float symbol)
    {
        // Written so that NaN fails it too.
        if (!(symbol >= 0 && symbol < SymbolCount && MathF.Floor(symbol) == symbol))
        {
            throw new ArgumentException($"{symbol} is not a symbol of this model. Use a whole number from 0 to {SymbolCount - 1}.");
        }

        return (int)symbol;
    }
}
