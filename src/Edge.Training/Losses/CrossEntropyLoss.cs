using Edge.Training.Numerics;

namespace Edge.Training.Losses;

/// <summary>
/// Cross-entropy over the softmax of the outputs, one output for each class; a target is the number of the class.
/// </summary>
/// <param name="classCount">Classes, numbered from 0.</param>
public sealed class CrossEntropyLoss(int classCount) : Loss
{
    /// <inheritdoc/>
    public override int OutputsPerTarget => classCount;

    private protected override double Of(ReadOnlySpan<float> outputs, float target, float weight, Span<float> gradient)
    {
        float largest = outputs[0];
        foreach (float value in outputs)
        {
            largest = MathF.Max(largest, value);
        }

        for (int c = 0; c < outputs.Length; c++)
        {
            gradient[c] = outputs[c] - largest;
        }

        VectorMath.Exp(gradient);
        float sum = 0;
        foreach (float value in gradient)
        {
            sum += value;
        }

        int right = (int)target;
        double loss = -Math.Log(Math.Max(gradient[right] / sum, 1e-30));
        for (int c = 0; c < gradient.Length; c++)
        {
            gradient[c] = ((gradient[c] / sum) - (c == right ? 1 : 0)) * weight;
        }

        return loss;
    }
}
