using System.Text.Json;
using Edge.Training;
using Edge.Training.Layers;
using Edge.Training.Losses;

namespace Edge.Training.Tests;

/// <summary>What gradients are held against.</summary>
internal static class GradientCheck
{
    /// <summary>Requires that gradients are the differences of a Huber loss, to 1e-3.</summary>
    /// <param name="network">What is trained.</param>
    /// <param name="x">Its inputs [T, B, I].</param>
    /// <param name="target">What it should say [T, B, O].</param>
    /// <param name="strands">B.</param>
    /// <param name="reach">How far each parameter is moved.</param>
    /// <param name="random">Of the directions.</param>
    internal static void RequireDifferences(Network network, float[] x, float[] target, int strands, float reach, Random random)
    {
        var loss = new HuberLoss(0.5f);
        float[] gradient = new float[target.Length];
        _ = Measure();
        network.Backward(x, gradient, strands);
        float[][] byBackward = [.. network.Parameters.Select(parameter => parameter.Gradient.ToArray())];
        for (int p = 0; p < network.Parameters.Count; p++)
        {
            // One parameter as a whole along a random direction: the rounding of single weights averages out.
            for (int trial = 0; trial < 3; trial++)
            {
                float[] value = network.Parameters[p].Value;
                float[] start = [.. value];
                float[] direction = [.. value.Select(_ => (2 * random.NextSingle()) - 1)];
                double expected = direction.Zip(byBackward[p], (d, g) => (double)d * g).Sum();
                double Along(float by)
                {
                    for (int i = 0; i < value.Length; i++)
                    {
                        value[i] = start[i] + (by * direction[i]);
                    }

                    return Measure();
                }

                // Richardson's extrapolation of two central differences.
                (float far, float near) = (reach, reach / 2);
                double coarse = (Along(far) - Along(-far)) / (2 * far);
                double fine = (Along(near) - Along(-near)) / (2 * near);
                start.CopyTo(value, 0);
                double measured = ((4 * fine) - coarse) / 3;
                double size = Math.Sqrt(byBackward[p].Sum(g => (double)g * g) * direction.Sum(d => (double)d * d) / value.Length);
                Assert.True(
                    Math.Abs(measured - expected) <= 1e-3 * Math.Max(size, 1e-3),
                    $"parameter {p}, {network.Parameters[p].Name}: {measured} for {expected}, size {size}");
            }
        }

        double Measure()
        {
            network.Reset();
            return loss.Measure(network.Forward(x, strands), target, gradient);
        }
    }

    /// <summary>Requires that values are within a share of the largest expected one.</summary>
    internal static void Near(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what, double tolerance = 1e-4)
    {
        Assert.Equal(expected.Length, actual.Length);
        float largest = 1e-6f;
        foreach (float value in expected)
        {
            largest = Math.Max(largest, Math.Abs(value));
        }

        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * largest, $"{what} {i}: {actual[i]} for {expected[i]}");
        }
    }

    /// <summary>An array of numbers of a golden file.</summary>
    internal static float[] Values(JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetSingle())];

    /// <summary>The array of a property.</summary>
    internal static float[] Values(JsonElement element, string name) => Values(element.GetProperty(name));
}
