using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Runtime.Engines.Int8;

/// <summary>The int8 cell of Edge.Inference.</summary>
/// <exception cref="ArgumentException">EDGE_KERNEL names a kernel that this processor does not have.</exception>
internal sealed class Int8Engine(EdgeModel model) : IInferenceEngine
{
    private readonly InferenceSession _session = new(model);

    public ModelManifest Manifest => model.Manifest;

    public string ModelSha256 => model.Sha256;

    public string Description => $"int8, {_session.Kernel} kernel";

    public ReadOnlySpan<long> InputSaturations => _session.InputSaturations;

    public long StateSaturations => Sum(_session.CellSaturations) + Sum(_session.HiddenSaturations);

    public void Step(ReadOnlySpan<float> inputs, Span<float> outputs) => _session.Step(inputs, outputs);

    public IInferenceEngine Fork() => new Int8Engine(model);

    public void CopyStateTo(IInferenceEngine fork) => ((Int8Engine)fork)._session.CopyStateFrom(_session);

    public float[] ExportState() => _session.ExportState();

    public void ImportState(ReadOnlySpan<float> values) => _session.ImportState(values);

    public byte[] SaveState() => _session.Save();

    public void RestoreState(ReadOnlySpan<byte> saved) => _session.Restore(saved);

    public void Dispose()
    {
    }

    private static long Sum(ReadOnlySpan<long> counts)
    {
        long sum = 0;
        foreach (long count in counts)
        {
            sum += count;
        }

        return sum;
    }
}
