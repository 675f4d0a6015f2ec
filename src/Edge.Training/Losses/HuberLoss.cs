namespace Edge.Training.Losses;

/// <summary>
/// Huber's loss (1964): half the square of an error up to a threshold, linear beyond, so that a few wild readings do not decide.
/// </summary>
/// <param name="threshold">Where the square ends, greater than 0; infinity for half the mean square error.</param>
public sealed class HuberLoss(float threshold) : Loss
{
    /// <inheritdoc/>
    public override int OutputsPerTarget => 1;

    private protected override double Of(ReadOnlySpan<float> outputs, float target, float weight, Span<float> gradient)
    {
        float error = outputs[0] - target;
        float size = MathF.Abs(error);
        if (size <= threshold)
        {
            gradient[0] = error * weight;
            return 0.5 * error * error;
        }

        gradient[0] = MathF.Sign(error) * threshold * weight;
        return threshold * (size - (0.5 * threshold));
    }
}
