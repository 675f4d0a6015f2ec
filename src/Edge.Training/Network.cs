using Edge.Training.Layers;

namespace Edge.Training;

/// <summary>Layers one after the other, forward and backward over sequences [T, B, W]; belongs to one thread.</summary>
public sealed class Network
{
    private readonly float[][] _outputs;
    private readonly float[][] _gradients;

    /// <summary>Puts layers together.</summary>
    /// <param name="layers">At least one; each takes as many values as the one before gives.</param>
    /// <exception cref="ArgumentException">Two layers do not fit.</exception>
    public Network(params TrainableLayer[] layers)
    {
        for (int l = 1; l < layers.Length; l++)
        {
            if (layers[l].InputCount != layers[l - 1].UnitCount)
            {
                throw new ArgumentException(
                    $"Layer {l} takes {layers[l].InputCount} values, but the one before gives {layers[l - 1].UnitCount}.", nameof(layers));
            }
        }

        Layers = layers;
        Parameters = [.. layers.SelectMany(layer => layer.Parameters)];
        _outputs = [.. layers.Select(_ => Array.Empty<float>())];
        _gradients = [.. layers.Select(_ => Array.Empty<float>())];
    }

    /// <summary>The layers.</summary>
    public IReadOnlyList<TrainableLayer> Layers { get; }

    /// <summary>The parameters of all layers.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Values that a step takes.</summary>
    public int InputCount => Layers[0].InputCount;

    /// <summary>Values that a step gives.</summary>
    public int OutputCount => Layers[^1].UnitCount;

    /// <summary>Weights in all.</summary>
    public int WeightCount => Parameters.Sum(parameter => parameter.Value.Length);

    /// <summary>Every strand starts from a state of zero again.</summary>
    public void Reset()
    {
        foreach (TrainableLayer layer in Layers)
        {
            layer.Reset();
        }
    }

    /// <summary>Steps a sequence, the state carried from the last one.</summary>
    /// <param name="x">[T, B, I].</param>
    /// <param name="strands">B; the same until <see cref="Reset"/>.</param>
    /// <param name="isTraining">Whether dropout drops.</param>
    /// <returns>[T, B, O], valid until the next call.</returns>
    public ReadOnlySpan<float> Forward(ReadOnlySpan<float> x, int strands, bool isTraining = false)
    {
        int rows = x.Length / InputCount;
        ReadOnlySpan<float> below = x;
        for (int l = 0; l < Layers.Count; l++)
        {
            if (Layers[l] is DropoutLayer dropout)
            {
                dropout.IsTraining = isTraining;
            }

            Span<float> y = Room(_outputs, l, rows);
            Layers[l].Forward(below, y, strands);
            below = y;
        }

        return below;
    }

    /// <summary>Sets the gradients of all parameters to those of the last sequence; what came before it is taken as given.</summary>
    /// <param name="x">As given to <see cref="Forward"/>.</param>
    /// <param name="gradient">Derivative of the loss by the outputs, [T, B, O].</param>
    /// <param name="strands">B.</param>
    public void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> gradient, int strands)
    {
        foreach (Parameter parameter in Parameters)
        {
            parameter.Gradient.AsSpan().Clear();
        }

        int rows = x.Length / InputCount;
        ReadOnlySpan<float> above = gradient;
        for (int l = Layers.Count - 1; l >= 0; l--)
        {
            ReadOnlySpan<float> below = l == 0 ? x : _outputs[l - 1].AsSpan(0, rows * Layers[l].InputCount);
            Span<float> dx = l == 0 ? [] : Room(_gradients, l - 1, rows);
            Layers[l].Backward(below, _outputs[l].AsSpan(0, rows * Layers[l].UnitCount), above, dx, strands);
            above = dx;
        }
    }

    /// <summary>A copy of the values of all parameters, for <see cref="Restore"/>.</summary>
    public float[][] Save() => [.. Parameters.Select(parameter => parameter.Value.ToArray())];

    /// <summary>Takes saved values back.</summary>
    /// <param name="saved">What <see cref="Save"/> gave.</param>
    public void Restore(float[][] saved)
    {
        for (int p = 0; p < saved.Length; p++)
        {
            saved[p].CopyTo(Parameters[p].Value, 0);
        }
    }

    private Span<float> Room(float[][] buffers, int l, int rows)
    {
        int length = rows * Layers[l].UnitCount;
        if (buffers[l].Length < length)
        {
            buffers[l] = new float[length];
        }

        return buffers[l].AsSpan(0, length);
    }
}
