using Edge.Inference.Models;

namespace Edge.Inference.Kernels;

/// <summary>A model's weights in the order of the vector kernels, made once for all sessions.</summary>
internal sealed class PackedModel
{
    internal PackedModel(EdgeModel model, int activationOffset)
    {
        Layers = model.Layers.Select((layer, l) => new PackedLstm(layer, isFirst: l == 0, activationOffset)).ToArray();
        Head = new PackedDense(model.Head);
    }

    internal PackedLstm[] Layers { get; }

    internal PackedDense Head { get; }
}
