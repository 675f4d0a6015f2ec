using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Streams.Engines;

/// <summary>The int8 cell of Edge.Inference.</summary>
/// <exception cref="ArgumentException">EDGE_KERNEL names a kernel that this processor does not have.</exception>
public sealed class Int8Engine(EdgeModel model) : IInferenceEngine
{
    private readonly InferenceSession _session = new(model);

    /// <summary>The model that is stepped.</summary>
    public EdgeModel Model => model;

    /// <inheritdoc/>
    public ModelManifest Manifest => model.Manifest;

    /// <inheritdoc/>
    public string ModelSha256 => model.Sha256;

    /// <inheritdoc/>
    public string Description => $"int8, {_session.Kernel} kernel";

    /// <inheritdoc/>
    public ReadOnlySpan<long> InputSaturations => _session.InputSaturations;

    /// <inheritdoc/>
    public long StateSaturations => Sum(_session.CellSaturations) + Sum(_session.HiddenSaturations);

    /// <inheritdoc/>
    public void Step(ReadOnlySpan<float> inputs, Span<float> outputs) => _session.Step(inputs, outputs);

    /// <inheritdoc/>
    public void Skip(long rows) => _session.Skip(rows);

    /// <inheritdoc/>
    public int LagRowCount => model.LagRowCount;

    /// <inheritdoc/>
    public IInferenceEngine Fork() => new Int8Engine(model);

    /// <inheritdoc/>
    public void CopyStateTo(IInferenceEngine fork) => ((Int8Engine)fork)._session.CopyStateFrom(_session);

    /// <inheritdoc/>
    public float[] ExportState() => _session.ExportState();

    /// <inheritdoc/>
    public void ImportState(ReadOnlySpan<float> values) => _session.ImportState(values);

    /// <inheritdoc/>
    public byte[] SaveState() => _session.Save();

    /// <inheritdoc/>
    public void RestoreState(ReadOnlySpan<byte> saved) => _session.Restore(saved);

    /// <inheritdoc/>
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
