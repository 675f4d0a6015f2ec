namespace Edge.Training.Losses;

/// <summary>
/// The pinball loss (Koenker and Bassett 1978): its smallest value is at the quantile. One output for each level.
/// </summary>
/// <param name="levels">Each greater than 0 and less than 1.</param>
public sealed class QuantileLoss(params float[] levels) : Loss
{
    /// <inheritdoc/>
    public override int OutputsPerTarget => levels.Length;

    private protected override double Of(ReadOnlySpan<float> outputs, float target, float weight, Span<float> gradient)
    {
        double sum = 0;
        for (int q = 0; q < levels.Length; q++)
        {
            float under = target - outputs[q];
            float slope = under >= 0 ? levels[q] : levels[q] - 1;
            sum += slope * under;
            gradient[q] = -slope * weight;
        }

        return sum;
    }
}
