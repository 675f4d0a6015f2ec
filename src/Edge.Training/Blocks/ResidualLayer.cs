using Edge.Training.Layers;
using Edge.Training.Numerics;

namespace Edge.Training.Blocks;

/// <summary>
/// A part of an xLSTM block stack (Beck et al. 2024, arXiv 2405.04517): y = x + part(norm(x)), with as many values out as in.
/// </summary>
public abstract class ResidualLayer : TrainableLayer
{
    private readonly RunNorm _norm;
    private float[] _normal = [];
    private float[] _normalGradient = [];

    private protected ResidualLayer(int unitCount)
        : base(unitCount, unitCount)
    {
        if (unitCount < 8 || unitCount % 8 != 0)
        {
            throw new ArgumentException($"A block has a multiple of 8 units, not {unitCount}.", nameof(unitCount));
        }

        _norm = new RunNorm(unitCount);
    }

    internal sealed override void Forward(ReadOnlySpan<float> x, Span<float> y, int strands)
    {
        Grow(ref _normal, x.Length);
        Span<float> normal = _normal.AsSpan(0, x.Length);
        _norm.Forward(x, normal);
        ForwardPart(normal, y, strands);
        VectorMath.Add(x, y);
    }

    internal sealed override void Backward(
        ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int strands)
    {
        Grow(ref _normalGradient, x.Length);
        ReadOnlySpan<float> normal = _normal.AsSpan(0, x.Length);
        Span<float> byNormal = _normalGradient.AsSpan(0, x.Length);
        byNormal.Clear();
        BackwardPart(normal, dy, byNormal, strands);
        if (!dx.IsEmpty)
        {
            dy.CopyTo(dx);
            _norm.AddBack(normal, byNormal, dx);
        }
    }

    /// <summary>Steps the part.</summary>
    /// <param name="normal">norm(x), [T, B, U].</param>
    /// <param name="y">Receives what is added to x, [T, B, U].</param>
    /// <param name="strands">B.</param>
    private protected abstract void ForwardPart(ReadOnlySpan<float> normal, Span<float> y, int strands);

    /// <summary>Adds to the gradients of the parameters and to the derivative by norm(x).</summary>
    /// <param name="normal">As given to <see cref="ForwardPart"/>.</param>
    /// <param name="dy">Derivative by what is added to x.</param>
    /// <param name="byNormal">Zeros, [T, B, U].</param>
    /// <param name="strands">B.</param>
    private protected abstract void BackwardPart(ReadOnlySpan<float> normal, ReadOnlySpan<float> dy, Span<float> byNormal, int strands);

    /// <exception cref="ArgumentException">The heads do not divide the values into multiples of 8.</exception>
    private protected static int CheckedHeads(int headCount, int values) => headCount >= 1 && values % (8 * headCount) == 0
        ? headCount
        : throw new ArgumentException(
            $"{headCount} heads do not share {values} values: each needs a multiple of 8.", nameof(headCount));
}
