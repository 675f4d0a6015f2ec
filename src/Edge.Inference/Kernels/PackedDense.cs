using Edge.Inference.Cells;

namespace Edge.Inference.Kernels;

/// <summary>A dense head with its weights as int16 rows, padded with zeros to whole blocks of 16 hidden units.</summary>
internal sealed unsafe class PackedDense
{
    private readonly PinnedBuffer _weight;

    internal PackedDense(Dense dense)
    {
        Dense = dense;
        Stride = (dense.InputCount + PackedLstm.BlockUnits - 1) / PackedLstm.BlockUnits * PackedLstm.BlockUnits;
        _weight = new PinnedBuffer(dense.OutputCount * Stride * sizeof(short));
        for (int r = 0; r < dense.OutputCount; r++)
        {
            for (int j = 0; j < dense.InputCount; j++)
            {
                _weight.As<short>()[(r * Stride) + j] = dense.Weight[(r * dense.InputCount) + j];
            }
        }
    }

    internal Dense Dense { get; }

    /// <summary>Weights from row to row.</summary>
    internal int Stride { get; }

    internal short* Weight => (short*)_weight.Pointer;
}
