using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Edge.Inference.Cells;
using Edge.Inference.Models;

namespace Edge.Inference.Kernels;

/// <summary>A model's weights in the order of the vector kernels, made once for all sessions.</summary>
internal sealed class PackedModel
{
    // Packed once for each model and activation offset, and let go with the model.
    private static readonly ConditionalWeakTable<EdgeModel, ConcurrentDictionary<int, PackedModel>> Packed = [];

    private PackedModel(EdgeModel model, int activationOffset)
    {
        Layers = new PackedLayer?[model.Layers.Length];
        Blocks = new PackedProduct[]?[model.Layers.Length];
        for (int l = 0; l < Layers.Length; l++)
        {
            if (model.Layers[l] is GateLayer layer)
            {
                Layers[l] = new PackedLayer(
                    layer, isInputWide: l == 0 || !layer.IsRecurrent || !model.Layers[l - 1].IsNarrow, activationOffset);
            }
            else
            {
                Blocks[l] = [.. ((BlockLayer)model.Layers[l]).Products.Select(each => new PackedProduct(each.Product, activationOffset))];
            }
        }

        Head = model.Head is null ? null : new PackedHead(model.Head);
    }

    /// <summary>Null for a block.</summary>
    internal PackedLayer?[] Layers { get; }

    /// <summary>The products of a block, in its own order; null for other layers.</summary>
    internal PackedProduct[]?[] Blocks { get; }

    internal PackedHead? Head { get; }

    /// <summary>A model's weights, packed at the first call.</summary>
    /// <param name="model">The model.</param>
    /// <param name="activationOffset">Of the vector kernels that read them.</param>
    internal static PackedModel Of(EdgeModel model, int activationOffset) =>
        Packed.GetOrCreateValue(model).GetOrAdd(activationOffset, static (offset, model) => new PackedModel(model, offset), model);
}
