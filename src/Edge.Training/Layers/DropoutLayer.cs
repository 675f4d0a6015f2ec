using Edge.Training.Numerics;

namespace Edge.Training.Layers;

/// <summary>
/// Dropout (Srivastava et al. 2014) between layers: in training, each value is 0 with a probability p and else divided by 1 - p.
/// </summary>
public sealed class DropoutLayer : TrainableLayer
{
    private readonly Random _random;
    private readonly float _probability;
    private float[] _mask = [];

    /// <summary>Makes the layer.</summary>
    /// <param name="width">Values of a step.</param>
    /// <param name="probability">p, at least 0 and less than 1.</param>
    /// <param name="random">Which values are dropped.</param>
    public DropoutLayer(int width, float probability, Random random)
        : base(width, width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(probability);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(probability, 1);
        (_random, _probability) = (random, probability);
    }

    /// <summary>Whether values are dropped; else they pass.</summary>
    internal bool IsTraining { get; set; } = true;

    internal override void Forward(ReadOnlySpan<float> x, Span<float> y, int strands)
    {
        Grow(ref _mask, x.Length);
        for (int i = 0; i < x.Length; i++)
        {
            _mask[i] = !IsTraining ? 1 : _random.NextSingle() < _probability ? 0 : 1 / (1 - _probability);
            y[i] = x[i] * _mask[i];
        }
    }

    internal override void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int strands)
    {
        for (int i = 0; i < dx.Length; i++)
        {
            dx[i] = dy[i] * _mask[i];
        }
    }

    internal override Reference.FloatLayer? ToReference() => null;
}
