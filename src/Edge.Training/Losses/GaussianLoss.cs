using System.Runtime.Intrinsics;
using Edge.Training.Numerics;

namespace Edge.Training.Losses;

/// <summary>
/// The negative logarithm of a normal density, without its constant: two outputs for a target, the mean and the logarithm of the variance.
/// </summary>
public sealed class GaussianLoss : Loss
{
    /// <inheritdoc/>
    public override int OutputsPerTarget => 2;

    private protected override double Of(ReadOnlySpan<float> outputs, float target, float weight, Span<float> gradient)
    {
        float error = outputs[0] - target;
        float precision = VectorMath.ExpOf(Vector256.Create(-outputs[1])).ToScalar();
        gradient[0] = error * precision * weight;
        gradient[1] = 0.5f * (1 - (error * error * precision)) * weight;
        return 0.5 * (outputs[1] + ((double)error * error * precision));
    }
}
