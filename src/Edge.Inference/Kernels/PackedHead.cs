using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>A dense head with its weights as int16 rows, padded with zeros to whole blocks of 16 hidden units.</summary>
internal sealed unsafe class PackedHead
{
    private readonly PinnedBuffer _weight;

    internal PackedHead(DenseHead head)
    {
        Head = head;
        Stride = (head.InputCount + PackedGates.BlockUnits - 1) / PackedGates.BlockUnits * PackedGates.BlockUnits;
        _weight = new PinnedBuffer(head.OutputCount * Stride * sizeof(short));
        for (int r = 0; r < head.OutputCount; r++)
        {
            for (int j = 0; j < head.InputCount; j++)
            {
                _weight.As<short>()[(r * Stride) + j] = head.Weight[(r * head.InputCount) + j];
            }
        }
    }

    internal DenseHead Head { get; }

    /// <summary>Weights from row to row.</summary>
    internal int Stride { get; }

    internal short* Weight => (short*)_weight.Pointer;
}
