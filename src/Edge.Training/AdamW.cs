using System.Runtime.Intrinsics;
using Edge.Training.Layers;

namespace Edge.Training;

/// <summary>
/// Adam (Kingma and Ba 2015) with weight decay beside the gradient (Loshchilov and Hutter 2019): m and v are running means of the gradient
/// and its square; w -= rate·(m̂/(√v̂ + ε) + decay·w).
/// </summary>
public sealed class AdamW
{
    private readonly IReadOnlyList<Parameter> _parameters;
    private readonly float[][] _mean;
    private readonly float[][] _square;

    // Beta1 and Beta2 to the power of the steps.
    private double _power1 = 1;
    private double _power2 = 1;

    /// <summary>Starts with running means of zero.</summary>
    /// <param name="parameters">What is trained.</param>
    public AdamW(IReadOnlyList<Parameter> parameters)
    {
        _parameters = parameters;
        _mean = [.. parameters.Select(parameter => new float[parameter.Value.Length])];
        _square = [.. parameters.Select(parameter => new float[parameter.Value.Length])];
    }

    /// <summary>Share of the last running mean of the gradient.</summary>
    public float Beta1 { get; init; } = 0.9f;

    /// <summary>Share of the last running mean of its square.</summary>
    public float Beta2 { get; init; } = 0.999f;

    /// <summary>Added to the root of the mean square.</summary>
    public float Epsilon { get; init; } = 1e-8f;

    /// <summary>Weight decay per unit of the learning rate.</summary>
    public float Decay { get; init; } = 0.01f;

    /// <summary>Makes all gradients together at most so long, by one factor (Pascanu et al. 2013).</summary>
    /// <param name="length">The Euclidean length, greater than 0.</param>
    /// <returns>The length before.</returns>
    public double Clip(double length)
    {
        double sum = 0;
        foreach (Parameter parameter in _parameters)
        {
            foreach (float value in parameter.Gradient)
            {
                sum += (double)value * value;
            }
        }

        double norm = Math.Sqrt(sum);
        if (norm > length)
        {
            float factor = (float)(length / norm);
            foreach (Parameter parameter in _parameters)
            {
                foreach (ref float value in parameter.Gradient.AsSpan())
                {
                    value *= factor;
                }
            }
        }

        return norm;
    }

    /// <summary>One step along the gradients.</summary>
    /// <param name="rate">Learning rate.</param>
    public void Step(double rate)
    {
        _power1 *= Beta1;
        _power2 *= Beta2;
        float corrected = (float)(rate * Math.Sqrt(1 - _power2) / (1 - _power1));
        float epsilon = (float)(Epsilon * Math.Sqrt(1 - _power2));
        for (int p = 0; p < _parameters.Count; p++)
        {
            float decay = _parameters[p].Decays ? 1 - (float)(rate * Decay) : 1;
            Step(_parameters[p], _mean[p], _square[p], corrected, epsilon, decay);
        }
    }

    private void Step(Parameter parameter, float[] mean, float[] square, float rate, float epsilon, float decay)
    {
        float[] value = parameter.Value;
        float[] gradient = parameter.Gradient;
        int i = 0;
        for (; i + 8 <= value.Length; i += 8)
        {
            Vector256<float> g = Vector256.Create(gradient.AsSpan(i));
            Vector256<float> m = (Vector256.Create(mean.AsSpan(i)) * Beta1) + (g * (1 - Beta1));
            Vector256<float> v = (Vector256.Create(square.AsSpan(i)) * Beta2) + (g * g * (1 - Beta2));
            m.CopyTo(mean.AsSpan(i));
            v.CopyTo(square.AsSpan(i));
            ((Vector256.Create(value.AsSpan(i)) * decay) - (m * rate / (Vector256.Sqrt(v) + Vector256.Create(epsilon)))).CopyTo(
                value.AsSpan(i));
        }

        for (; i < value.Length; i++)
        {
            float g = gradient[i];
            mean[i] = (mean[i] * Beta1) + (g * (1 - Beta1));
            square[i] = (square[i] * Beta2) + (g * g * (1 - Beta2));
            value[i] = (value[i] * decay) - (mean[i] * rate / (MathF.Sqrt(square[i]) + epsilon));
        }
    }
}
