using Edge.Training.Reference;

namespace Edge.Training.Layers;

/// <summary>
/// A layer that can be trained. Sequences are [T, B, W]: T steps, in each B strands side by side, in each W values. A recurrent layer
/// carries its state from one call of <see cref="Forward"/> to the next: truncated back-propagation through time.
/// </summary>
public abstract class TrainableLayer
{
    private protected TrainableLayer(int inputCount, int unitCount, params Parameter[] parameters)
    {
        InputCount = inputCount;
        UnitCount = unitCount;
        Parameters = parameters;
    }

    /// <summary>Values that a step takes, I.</summary>
    public int InputCount { get; }

    /// <summary>Values that a step gives, U.</summary>
    public int UnitCount { get; }

    /// <summary>What is trained.</summary>
    public IReadOnlyList<Parameter> Parameters { get; private protected init; }

    /// <summary>Steps the layer and keeps what <see cref="Backward"/> needs.</summary>
    /// <param name="x">[T, B, I].</param>
    /// <param name="y">Receives [T, B, U].</param>
    /// <param name="strands">B; the same from call to call, until <see cref="Reset"/>.</param>
    internal abstract void Forward(ReadOnlySpan<float> x, Span<float> y, int strands);

    /// <summary>Adds to the gradients of the parameters what the last <see cref="Forward"/> contributes.</summary>
    /// <param name="x">As given to <see cref="Forward"/>.</param>
    /// <param name="y">As received from it.</param>
    /// <param name="dy">Derivative of the loss by y, [T, B, U].</param>
    /// <param name="dx">Receives the derivative by x, [T, B, I]; empty where it is not needed.</param>
    /// <param name="strands">B.</param>
    internal abstract void Backward(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> dy, Span<float> dx, int strands);

    /// <summary>Every strand starts from a state of zero again.</summary>
    internal virtual void Reset()
    {
    }

    /// <summary>The layer as the reference steps it; null if it does nothing but in training.</summary>
    internal abstract FloatLayer? ToReference();

    /// <summary>A matrix [rows, columns] as [columns, rows], which is how the reference keeps weights.</summary>
    private protected static float[] Transposed(Parameter parameter)
    {
        float[] transposed = new float[parameter.Value.Length];
        Numerics.MatrixProduct.Transpose(parameter.Value, transposed, parameter.Rows, parameter.Columns);
        return transposed;
    }

    /// <summary>Makes a buffer at least so long; what it has is lost where it was shorter.</summary>
    internal static void Grow(ref float[] buffer, int length)
    {
        if (buffer.Length < length)
        {
            buffer = new float[length];
        }
    }

    /// <summary>So many zeros in a buffer that grows to them.</summary>
    internal static Span<float> Zeros(ref float[] buffer, int length)
    {
        Grow(ref buffer, length);
        Span<float> zeros = buffer.AsSpan(0, length);
        zeros.Clear();
        return zeros;
    }
}
