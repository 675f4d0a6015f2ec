namespace Edge.Training.Losses;

/// <summary>What a network is trained to make small: the mean over all targets that are there.</summary>
public abstract class Loss
{
    /// <summary>Outputs that stand for one target.</summary>
    public abstract int OutputsPerTarget { get; }

    /// <summary>The mean loss, and its derivative.</summary>
    /// <param name="outputs">Rows of targets · <see cref="OutputsPerTarget"/> values; those of one target lie side by side.</param>
    /// <param name="targets">One value a target; NaN for one that is not known and does not count.</param>
    /// <param name="gradient">Receives the derivative of the mean by each output.</param>
    /// <returns>The mean over the targets that count; 0 if there are none.</returns>
    public double Measure(ReadOnlySpan<float> outputs, ReadOnlySpan<float> targets, Span<float> gradient)
    {
        int each = OutputsPerTarget;
        int count = 0;
        foreach (float target in targets)
        {
            count += float.IsNaN(target) ? 0 : 1;
        }

        gradient.Clear();
        double sum = 0;
        float weight = 1f / Math.Max(1, count);
        for (int k = 0; k < targets.Length; k++)
        {
            if (!float.IsNaN(targets[k]))
            {
                sum += Of(outputs.Slice(k * each, each), targets[k], weight, gradient.Slice(k * each, each));
            }
        }

        return sum / Math.Max(1, count);
    }

    /// <summary>The loss of one target.</summary>
    /// <param name="outputs">The outputs that stand for it.</param>
    /// <param name="target">What was to come.</param>
    /// <param name="weight">Factor of the derivative.</param>
    /// <param name="gradient">Receives the derivative times the weight.</param>
    private protected abstract double Of(ReadOnlySpan<float> outputs, float target, float weight, Span<float> gradient);
}
