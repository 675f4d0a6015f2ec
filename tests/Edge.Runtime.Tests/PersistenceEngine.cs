using Edge.Inference.Models;
using Edge.Streams.Engines;

namespace Edge.Runtime.Tests;

/// <summary>Forecasts that nothing changes: tests of the detector alone need no model.</summary>
internal sealed class PersistenceEngine(ModelManifest manifest) : IInferenceEngine
{
    private readonly long[] _saturations = new long[manifest.Columns.Count];

    public ModelManifest Manifest => manifest;

    public string ModelSha256 => new('0', 64);

    public string Description => "persistence";

    public ReadOnlySpan<long> InputSaturations => _saturations;

    public long StateSaturations => 0;

    /// <summary>Rows that it was told to have missed.</summary>
    internal long Skipped { get; private set; }

    public int LagRowCount { get; init; }

    public void Skip(long rows) => Skipped += rows;

    public void Step(ReadOnlySpan<float> inputs, Span<float> outputs) => inputs.CopyTo(outputs);

    public IInferenceEngine Fork() => new PersistenceEngine(manifest);

    public void CopyStateTo(IInferenceEngine fork)
    {
    }

    public float[] ExportState() => [];

    public void ImportState(ReadOnlySpan<float> values)
    {
    }

    public byte[] SaveState() => [];

    public void RestoreState(ReadOnlySpan<byte> saved)
    {
    }

    public void Dispose()
    {
    }
}
