using Edge.Training.Reference;

namespace Edge.Quantize.Evaluation;

/// <summary>How many float steps a measurement may take, so that a large model takes seconds too.</summary>
internal static class StepBudget
{
    /// <summary>Steps of a model for so many multiply-accumulates.</summary>
    /// <param name="model">The model.</param>
    /// <param name="operations">Multiply-accumulates in all.</param>
    /// <param name="stepsMin">Fewest steps, whatever they take.</param>
    /// <param name="stepsMax">Most steps.</param>
    internal static int Of(FloatModel model, double operations, int stepsMin, int stepsMax)
    {
        double each = model.Layers.Sum(layer => (double)layer.Operations)
            + (model.Head?.Weight.Length ?? 0) + (model.Lags?.Weight.Length ?? 0) + (model.Lags?.Own?.Weight.Length ?? 0);
        return (int)Math.Clamp(operations / Math.Max(each, 1), stepsMin, stepsMax);
    }
}
