using Edge.Inference.Models;

namespace Edge.Inference.Kernels;

/// <summary>Steps one or many states of a model; holds scratch memory, so it belongs to one thread at a time.</summary>
internal abstract class ModelStepper
{
    /// <summary>Steps <paramref name="count"/> states that lie one after the other.</summary>
    /// <param name="states">count·<see cref="EdgeModel.StateBytes"/> bytes.</param>
    /// <param name="x">Quantised readings, count rows of <see cref="EdgeModel.InputCount"/>.</param>
    /// <param name="outputs">Receives count rows of <see cref="EdgeModel.OutputCount"/>.</param>
    /// <param name="count">At least 1.</param>
    internal abstract void Step(Span<byte> states, ReadOnlySpan<short> x, Span<float> outputs, int count);
}
