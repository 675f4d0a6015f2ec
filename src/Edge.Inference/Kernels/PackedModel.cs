using Edge.Inference.Models;

namespace Edge.Inference.Kernels;

/// <summary>A model's weights in the order of the vector kernels, made once for all sessions.</summary>
internal sealed class PackedModel
{
    internal PackedModel(EdgeModel model, int activationOffset)
    {
        Layers = model.Layers
            .Select((layer, l) => new PackedLayer(layer, isInputWide: l == 0 || !layer.IsRecurrent || !model.Layers[l - 1].IsNarrow, activationOffset))
            .ToArray();
        Head = model.Head is null ? null : new PackedHead(model.Head);
    }

    internal PackedLayer[] Layers { get; }

    internal PackedHead? Head { get; }
}
