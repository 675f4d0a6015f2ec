using Edge.Inference.Models;

namespace Edge.Quantize.Evaluation;

/// <summary>Everything that is measured of an int8 model against the float model it was made from.</summary>
/// <param name="Reference">The float model over the rows.</param>
/// <param name="Quantized">The int8 model.</param>
/// <param name="Model">Errors on the held-out rows.</param>
/// <param name="Outside">Errors when a column leaves the calibrated range.</param>
/// <param name="Drift">Difference over a long horizon.</param>
/// <param name="Costs">What each gate's weights alone cost.</param>
internal sealed record EvaluationReport(
    FloatRun Reference,
    EdgeModel Quantized,
    ModelEvaluation Model,
    IReadOnlyList<OutsideRange> Outside,
    Drift Drift,
    IReadOnlyList<GateCost> Costs)
{
    internal static EvaluationReport Measure(FloatRun reference, EdgeModel quantized, Action<string, double?> say)
    {
        say("evaluating", null);
        ModelEvaluation model = ModelEvaluation.Run(reference, quantized);
        say("outside the calibrated range", null);
        IReadOnlyList<OutsideRange> outside = OutsideRange.Measure(reference, quantized);
        Drift drift = Drift.Measure(reference, quantized, share => say("drift over 100,000 steps", share));
        IReadOnlyList<GateCost> costs = GateCost.Measure(reference, quantized, share => say("what each gate costs", share));
        return new EvaluationReport(reference, quantized, model, outside, drift, costs);
    }
}
