namespace Edge.Inference.Cells;

/// <summary>The activation of a run of outputs of a head.</summary>
/// <param name="Count">How many outputs, at least 1.</param>
/// <param name="Activation">What happens to them.</param>
internal readonly record struct HeadSegment(int Count, OutputActivation Activation);
