namespace Edge.Training.Reference;

/// <summary>A residual connection: y = x + s, s being the output of a layer further down in the same step.</summary>
/// <param name="UnitCount">U: values of both.</param>
/// <param name="Source">Number of the layer whose output is added.</param>
internal sealed record FloatResidual(int UnitCount, int Source) : FloatLayer(UnitCount, UnitCount)
{
    internal override bool IsRecurrent => false;

    internal override int Gates => 0;

    internal override int ScratchRows => 0;

    /// <summary>One step.</summary>
    /// <param name="x">[U].</param>
    /// <param name="h">Receives the sum [U].</param>
    /// <param name="c">s [U].</param>
    /// <param name="scratch">Not used.</param>
    internal override void Step(ReadOnlySpan<float> x, Span<float> h, Span<float> c, Span<float> scratch)
    {
        for (int j = 0; j < UnitCount; j++)
        {
            h[j] = c[j] + x[j];
        }
    }
}
