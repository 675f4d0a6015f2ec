using Edge.Inference;
using Edge.Inference.Models;

namespace Edge.Runtime.Engines.Int8;

/// <summary>The int8 cell of Edge.Inference.</summary>
internal sealed class Int8Engine(EdgeModel model) : IInferenceEngine
{
    private readonly InferenceSession _session = new(model);

    public ModelManifest Manifest => model.Manifest;

    public string ModelSha256 => model.Sha256;

    public string Description => "int8, scalar kernel";

    public ReadOnlySpan<long> InputSaturations => _session.InputSaturations;

    public void Step(ReadOnlySpan<float> inputs, Span<float> outputs) => _session.Step(inputs, outputs);

    public byte[] SaveState() => _session.Save();

    public void RestoreState(ReadOnlySpan<byte> saved) => _session.Restore(saved);

    public void Dispose()
    {
    }
}
