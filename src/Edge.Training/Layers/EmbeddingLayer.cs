namespace Edge.Training.Layers;

/// <summary>A vector for each symbol: y = the symbol's row of a table. Its input is the number of the symbol.</summary>
public sealed class EmbeddingLayer : TrainableLayer
{
    /// <summary>Starts with random vectors.</summary>
    /// <param name="symbolCount">Symbols, numbered from 0.</param>
    /// <param name="width">Values of a vector.</param>
    /// <param name="random">Where the vectors come from.</param>
    public EmbeddingLayer(int symbolCount, int width, Random random)
        : base(1, width, new Parameter("table", symbolCount, width, false).Uniform(random, width))
    {
    }

    internal Parameter Table => Parameters[0];

    internal override void Forward(ReadOnlySpan<float> x, Span<float> y, int strands)
    {
        for (int at = 0; at < x.Length; at++)
        {
            Table.Value.AsSpan((int)x[at] * UnitCount, UnitCount).CopyTo(y[(at * UnitCount)..]);
        }
    }

    internal override void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int strands)
    {
        for (int at = 0; at < x.Length; at++)
        {
            Numerics.VectorMath.Add(dy.Slice(at * UnitCount, UnitCount), Table.Gradient.AsSpan((int)x[at] * UnitCount, UnitCount));
        }
    }

    internal override Reference.FloatLayer? ToReference() => null;
}
