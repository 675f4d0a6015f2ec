using Edge.Training.Layers;
using Edge.Training.Reference;

namespace Edge.Training.Blocks;

/// <summary>The norm after all blocks: y = (x - mean) / √(variance + ε), without weights, as the layer after it has its own.</summary>
/// <param name="unitCount">U, a multiple of 8.</param>
public sealed class NormLayer(int unitCount) : TrainableLayer(unitCount, unitCount)
{
    private readonly RunNorm _norm = new(unitCount);

    internal override void Forward(ReadOnlySpan<float> x, Span<float> y, int strands) => _norm.Forward(x, y);

    internal override void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int strands)
    {
        dx.Clear();
        if (!dx.IsEmpty)
        {
            _norm.AddBack(y, dy, dx);
        }
    }

    internal override FloatLayer ToReference() => new FloatNorm(UnitCount);
}
