using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>An inner product of a block in the order of the vector kernels: runs of rows, each with the inputs that it reads.</summary>
internal sealed class PackedProduct
{
    private readonly PinnedBuffer _inputNarrowing;
    private readonly PinnedBuffer _recurrentNarrowing;

    /// <param name="product">The product.</param>
    /// <param name="activationOffset">What a kernel adds to int8 activations to make them unsigned (128), or 0.</param>
    internal PackedProduct(Product product, int activationOffset)
    {
        Product = product;
        _inputNarrowing = PinnedBuffer.Of(product.InputNarrowing);
        _recurrentNarrowing = PinnedBuffer.Of(product.RecurrentNarrowing);

        // Heads of whole blocks of 16 units stay apart; smaller ones share a block.
        int rows = product.UnitCount / product.Heads;
        int run = product.Heads == 1 || rows % PackedGates.BlockUnits == 0 ? rows : PackedGates.BlockUnits;
        var runs = new List<Run>();
        for (int begin = 0; begin < product.UnitCount; begin += run)
        {
            Product part = product.Rows(begin, Math.Min(run, product.UnitCount - begin), out int head);
            runs.Add(new Run(
                new PackedLayer(part, isInputWide: product.HiddenBits == 16, activationOffset),
                begin,
                head * product.HeadInputs,
                head * product.RecurrentInputs));
        }

        Runs = [.. runs];
    }

    internal Product Product { get; }

    internal Run[] Runs { get; }

    /// <summary>Whether activations are read in int8.</summary>
    internal bool IsNarrow => Product.HiddenBits == 8;

    /// <summary>m_x, zeros behind.</summary>
    internal unsafe short* InputNarrowing => (short*)_inputNarrowing.Pointer;

    /// <summary>m_h, zeros behind.</summary>
    internal unsafe short* RecurrentNarrowing => (short*)_recurrentNarrowing.Pointer;

    /// <summary>Some rows.</summary>
    /// <param name="Layer">Their weights.</param>
    /// <param name="Row">The first one.</param>
    /// <param name="Input">First input that they read.</param>
    /// <param name="Recurrent">First value of h that they read.</param>
    internal sealed record Run(PackedLayer Layer, int Row, int Input, int Recurrent);
}
